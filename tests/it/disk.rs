//! Ways in which a disk fails for real: a small file system that is full, and a limit of the kernel on
//! what a process may write.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a process keeps its files.
pub trait Disk {
    /// From now on nothing can be written.
    fn fail(&self);
    /// It can again.
    fn mend(&self);
}

/// A file system of its own, in memory; needs the right to mount.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    const BALLAST: &str = "ballast";

    /// Mounts one of so many bytes at a folder, which is made if it is not there.
    pub fn mount(path: PathBuf, bytes: u64) -> Self {
        Self::try_mount(path, bytes).expect("tests of full disks must be allowed to mount")
    }

    /// None if it can't be mounted.
    pub fn try_mount(path: PathBuf, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(&path);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then_some(Self(path))
    }

    /// Whether this machine lets us mount.
    pub fn is_possible() -> bool {
        let folder = tempfile::tempdir().unwrap();
        Self::try_mount(folder.path().join("disk"), 1 << 20).is_some()
    }

    /// `ro` or `rw`.
    pub fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(&self.0);
        assert!(mount.status().unwrap().success(), "somebody still writes");
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Disk for SmallDisk {
    fn fail(&self) {
        let path = self.0.join(Self::BALLAST);
        let mut ballast = File::options().create(true).append(true).open(path).unwrap();
        // First in large pieces, then the crumbs.
        for size in [1 << 20, 1 << 12, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn mend(&self) {
        std::fs::remove_file(self.0.join(Self::BALLAST)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may still hold files.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The kernel's limit on the length of a process' files; each write beyond it fails with EFBIG, which
/// SQLite takes for an I/O error.
pub struct WriteLimit(u32);

impl WriteLimit {
    /// On a process that ignores SIGXFSZ.
    pub fn of(process: u32) -> Self {
        Self(process)
    }

    fn set(&self, bytes: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", self.0)).arg(format!("--fsize={bytes}:unlimited"));
        assert!(prlimit.status().unwrap().success());
    }
}

impl Disk for WriteLimit {
    fn fail(&self) {
        self.set("4096");
    }

    fn mend(&self) {
        self.set("unlimited");
    }
}

//! Ways in which a disk fails for real: a small file system that is full, and a limit of the kernel on
//! what a process may write.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Where a process keeps its files.
pub trait Disk {
    /// From now on nothing can be written.
    fn fail(&self);
    /// It can again.
    fn mend(&self);
}

impl<D: Disk> Disk for &D {
    fn fail(&self) {
        (**self).fail();
    }

    fn mend(&self) {
        (**self).mend();
    }
}

/// A file system of its own, in memory; needs the right to mount.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Room for a few thousand webhooks twice, in the queue and in the tables.
    const SIZE: &str = "size=128m";
    const BALLAST: &str = "ballast";

    pub fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", Self::SIZE, "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "mounting needs to be root");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Disk for SmallDisk {
    fn fail(&self) {
        let mut ballast = File::create(self.0.path().join(Self::BALLAST)).unwrap();
        // First in large pieces, then the crumbs.
        for size in [1 << 20, 1 << 12] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn mend(&self) {
        std::fs::remove_file(self.0.path().join(Self::BALLAST)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may still hold files.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// The kernel's limit on the length of a process' files; each write beyond it fails.
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

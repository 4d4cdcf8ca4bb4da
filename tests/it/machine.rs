//! A machine as its processes see it, with a clock that jumps and a disk that fails or is slow.
//!
//! A small library in front of libc (`machine/machine.c`, compiled here) tells the processes of one
//! environment what a control block says, which is a file that both share. It needs a C compiler, as the
//! build does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::Disk;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/machine/machine.c");

/// Fields of the control block, 64 bits each, in their order.
#[derive(Clone, Copy)]
enum Field {
    Processes,
    ClockAheadMs,
    WriteError,
    SyncError,
    SyncDelayMs,
}

/// What fails on a disk that fails.
#[derive(Clone, Copy, Debug)]
pub enum Failing {
    Writes,
    Syncs,
    Both,
}

/// A machine; its processes get [`Machine::environment`].
pub struct Machine {
    folder: TempDir,
    control: File,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("machine.so");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(SOURCE);
        assert!(cc.status().unwrap().success(), "{SOURCE} can't be compiled");
        let control = folder.path().join("control");
        std::fs::write(&control, [0; 4096]).unwrap();
        let control = File::options().read(true).write(true).open(control).unwrap();
        Self { folder, control }
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        vec![("LD_PRELOAD", path("machine.so")), ("TEST_MACHINE", path("control"))]
    }

    /// Fails unless a process is told what this machine says.
    pub fn assert_used(&self) {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, Field::Processes as u64 * 8).unwrap();
        assert!(i64::from_ne_bytes(bytes) > 0, "no process has loaded the library");
    }

    /// The clock goes so far ahead, or behind if it is negative.
    pub fn jump_to(&self, ahead_ms: i64) {
        self.set(Field::ClockAheadMs, ahead_ms);
    }

    /// Each fsync takes longer.
    pub fn slow_down(&self, by: Duration) {
        self.set(Field::SyncDelayMs, i64::try_from(by.as_millis()).unwrap());
    }

    /// A disk that gives EIO when it fails.
    pub fn disk(&self, failing: Failing) -> impl Disk {
        FailingDisk { machine: self, failing }
    }

    fn set(&self, field: Field, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), field as u64 * 8).unwrap();
    }
}

struct FailingDisk<'a> {
    machine: &'a Machine,
    failing: Failing,
}

impl FailingDisk<'_> {
    fn set(&self, error: i64) {
        if matches!(self.failing, Failing::Writes | Failing::Both) {
            self.machine.set(Field::WriteError, error);
        }
        if matches!(self.failing, Failing::Syncs | Failing::Both) {
            self.machine.set(Field::SyncError, error);
        }
    }
}

impl Disk for FailingDisk<'_> {
    fn fail(&self) {
        self.set(rustix::io::Errno::IO.raw_os_error().into());
    }

    fn mend(&self) {
        self.set(0);
    }
}

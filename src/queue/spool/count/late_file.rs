//! The count file of a door that may start before there is room for one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{CountFile, path_of};
use super::legacy;
use super::process::DoorProcess;
use super::record::{CountRecord, SpoolMark};
use crate::queue::spool::late::LateQueue;

/// The file, as soon as it can be opened: a full disk has no room for a new one, and a read-only one takes none.
pub(super) struct LateFile {
    path: PathBuf,
    open: Option<CountFile>,
    /// The spool file that these counts belong to.
    queue: Arc<LateQueue>,
    started_ms: i64,
    written_at: Instant,
}

impl LateFile {
    /// Counts of the spool file at `path`; not opened yet.
    pub(super) fn new(path: &Path, queue: Arc<LateQueue>, started_ms: i64) -> Self {
        let written_at = Instant::now();
        Self { path: path.to_owned(), open: None, queue, started_ms, written_at }
    }

    /// How long ago it was written.
    pub(super) fn age(&self) -> Duration {
        self.written_at.elapsed()
    }

    /// Opens the file unless it is open.
    pub(super) fn open(&mut self, now_ms: i64) -> io::Result<()> {
        if self.open.is_none() {
            let spool = self.path.clone();
            let mut file = CountFile::open(&path_of(&spool), || legacy::record(&spool, now_ms))?;
            let process = DoorProcess::this(self.started_ms, now_ms);
            let mark = self.mark(now_ms);
            file.write(true, |record| {
                record.note_spool(mark, now_ms);
                record.begin(process, now_ms);
            })?;
            self.open = Some(file);
        }
        Ok(())
    }

    /// Changes it, and says that the door lives and which spool file it has.
    pub(super) fn write_seen(
        &mut self,
        is_durable: bool,
        now_ms: i64,
        change: impl FnOnce(&mut CountRecord),
    ) -> io::Result<()> {
        let mark = self.mark(now_ms);
        self.write(is_durable, |record| {
            record.note_spool(mark, now_ms);
            record.see(now_ms);
            change(record);
        })
    }

    fn mark(&self, now_ms: i64) -> Option<SpoolMark> {
        self.queue.mark().map(|mark| SpoolMark { mark, at_ms: now_ms })
    }

    /// Changes it; an error if there is none yet.
    pub(super) fn write(
        &mut self,
        is_durable: bool,
        change: impl FnOnce(&mut CountRecord),
    ) -> io::Result<()> {
        let none = || io::Error::new(io::ErrorKind::StorageFull, "no room for the count file");
        self.open.as_mut().ok_or_else(none)?.write(is_durable, change)?;
        self.written_at = Instant::now();
        Ok(())
    }
}

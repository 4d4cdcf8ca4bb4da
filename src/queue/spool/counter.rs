//! Counts what the broker took, in the count file beside the spool file.
//!
//! Called by `spool.rs`: before a webhook goes to the broker, and when it was confirmed, before its
//! sender gets an answer. What the spool file itself takes is counted by its own transactions. What must
//! stay true: `accepted` never counts more than was taken; whatever a kill can leave uncounted is
//! announced in the file before it is taken; and no full disk stops the count.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::count_file::{
    CountFile, CountGap, CountRecord, DoorProcess, GapCause, SpoolMark, path_of,
};
use super::late::LateQueue;
use super::legacy;
use crate::clock::Clock;
use crate::queue::QueueError;
use crate::telemetry::outage_log::{DueLine, OutageLog};

/// A kill in the middle of work may always leave so many uncounted, about.
const UNCERTAIN_MIN: u64 = 16;

/// How long counting waits for more to count: one fsync for all of them.
const PAUSE: Duration = Duration::from_millis(50);

/// A door that has counted everything and takes nothing for so long says so: a kill then leaves nothing
/// uncounted.
const AT_REST_AFTER: Duration = Duration::from_millis(200);

/// How often a door says in its file that it lives.
const SEEN_EVERY: Duration = Duration::from_secs(3);

/// A webhook that gets no answer was tried for so long at most, about.
const TRIED_MAX_MS: i64 = 10_000;

/// Webhooks without an answer that come within so long are of one outage.
const OUTAGE_PAUSE_MS: i64 = 60_000;

/// Counts while it lives; dropped, it writes the rest and marks the file as closed.
pub(super) struct Counter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Webhooks on their way to the broker.
    in_flight: AtomicU64,
    uncounted: AtomicU64,
    /// Webhooks that were refused though the broker may have them, and that no gap tells of yet.
    unanswered: AtomicU64,
    /// The file says that webhooks may be taken which it does not count yet.
    is_announced: AtomicBool,
    is_over: AtomicBool,
    asleep: Mutex<()>,
    bell: Condvar,
    file: Mutex<LateFile>,
    clock: Arc<dyn Clock>,
    log: OutageLog,
}

/// The file, as soon as it can be opened: a full disk has no room for a new one, and a read-only one takes none.
struct LateFile {
    path: PathBuf,
    open: Option<CountFile>,
    /// The spool file that these counts belong to.
    queue: Arc<LateQueue>,
    started_ms: i64,
    written_at: Instant,
}

/// A webhook on its way to the broker. Dropped without an answer of the broker, the broker may have it.
pub(super) struct Counting {
    shared: Arc<Shared>,
    is_answered: bool,
}

impl Counting {
    /// The broker took it.
    pub(super) fn confirmed(mut self) {
        self.is_answered = true;
        self.shared.add(&self.shared.uncounted);
    }

    /// The broker does not have it, or it is counted elsewhere.
    pub(super) fn needs_no_count(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.add(&self.shared.unanswered);
        }
        self.shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counter {
    /// Opens the count file of the spool file at `path`. If its last process was killed at work, it says
    /// so in it. On a disk that is full or read-only it counts in memory until there is a file.
    pub(super) fn open(
        path: &Path,
        queue: Arc<LateQueue>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueueError> {
        let started_ms = clock.now_ms();
        let written_at = Instant::now();
        let path_of_spool = path.to_owned();
        let mut file = LateFile { path: path_of_spool, open: None, queue, started_ms, written_at };
        match file.open(started_ms) {
            Ok(()) => {}
            Err(error) if is_disk(&error) => {
                tracing::error!(error = %error, "the file that counts can't be written: counting in memory");
            }
            Err(error) => return Err(unusable(path, &error)),
        }
        let shared = Arc::new(Shared {
            in_flight: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            is_announced: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            asleep: Mutex::new(()),
            bell: Condvar::new(),
            file: Mutex::new(file),
            clock,
            log: OutageLog::new(),
        });
        let counting = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("spool-counter".to_owned())
            .spawn(move || counting.run())
            .map_err(|error| unusable(path, &error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A webhook goes to the broker. Announces in the file that there may be more than it counts; that is
    /// one write for all that follow, until the door is at rest.
    pub(super) fn begin(&self) -> Counting {
        let shared = Arc::clone(&self.shared);
        shared.in_flight.fetch_add(1, Ordering::SeqCst);
        if !shared.is_announced.load(Ordering::SeqCst) {
            shared.announce();
        }
        Counting { shared, is_answered: false }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the thread.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut recent = 0;
        while !self.is_over.load(Ordering::Acquire) {
            self.wait();
            self.count(&mut recent);
            self.rest();
            self.be_seen();
        }
        self.count(&mut recent);
        let now_ms = self.clock.now_ms();
        let closed = self.file().write_seen(true, now_ms, |record| {
            record.process = None;
            record.is_moving = false;
        });
        self.report(closed);
    }

    fn file(&self) -> MutexGuard<'_, LateFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ringing is a system call, so only the first of those that are counted together does it.
    fn add(&self, count: &AtomicU64) {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            self.ring();
        }
    }

    /// Whether everything is in the file.
    fn is_counted(&self) -> bool {
        [&self.uncounted, &self.unanswered].iter().all(|it| it.load(Ordering::SeqCst) == 0)
    }

    /// With the lock, so that no ring falls between the other side's last look and its sleep.
    fn ring(&self) {
        let _asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_one();
    }

    /// Waits for something to count, and for more to count with it; or until there is something to say.
    fn wait(&self) {
        let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |(): &mut ()| self.is_counted() && !self.is_over.load(Ordering::Acquire);
        let is_announced = self.is_announced.load(Ordering::SeqCst);
        let limit = if is_announced { AT_REST_AFTER } else { SEEN_EVERY };
        let woken = self.bell.wait_timeout_while(asleep, limit, is_idle);
        let (asleep, waited) = woken.unwrap_or_else(PoisonError::into_inner);
        drop(asleep);
        if !waited.timed_out() {
            thread::sleep(PAUSE);
        }
    }

    /// Under the file's lock, so that the flag and the file agree.
    fn announce(&self) {
        let mut file = self.file();
        if self.is_announced.load(Ordering::SeqCst) {
            return;
        }
        // Durable or not: after a power cut the file is not believed to be at rest.
        let announced = file.write(false, |record| record.is_moving = true);
        self.is_announced.store(true, Ordering::SeqCst);
        drop(file);
        self.report(announced);
    }

    /// Says that all is counted, if nothing is on its way. Whoever begins in between finds the flag
    /// taken back, and waits for the lock.
    fn rest(&self) {
        if !self.is_announced.load(Ordering::SeqCst) {
            return;
        }
        let mut file = self.file();
        self.is_announced.store(false, Ordering::SeqCst);
        let is_moving = self.in_flight.load(Ordering::SeqCst) > 0 || !self.is_counted();
        if is_moving || file.write(false, |record| record.is_moving = false).is_err() {
            self.is_announced.store(true, Ordering::SeqCst);
        }
    }

    fn be_seen(&self) {
        let mut file = self.file();
        if file.written_at.elapsed() < SEEN_EVERY {
            return;
        }
        let now_ms = self.clock.now_ms();
        let written = file.open(now_ms).and_then(|()| file.write_seen(false, now_ms, |_| ()));
        drop(file);
        self.report(written);
    }

    /// Writes what is not counted yet; on an error it is tried again with the next. `recent` is about
    /// how many come at a time, so that after a kill it is known how many may be missing.
    fn count(&self, recent: &mut u64) {
        let more = self.uncounted.swap(0, Ordering::SeqCst);
        let unanswered = self.unanswered.swap(0, Ordering::SeqCst);
        if more + unanswered == 0 {
            return;
        }
        *recent = more.max(*recent / 2);
        let now_ms = self.clock.now_ms();
        let mut file = self.file();
        let counted = file.open(now_ms).and_then(|()| {
            file.write_seen(true, now_ms, |record| {
                add_unanswered(record, unanswered, now_ms);
                record.accepted += more;
                record.recent = *recent;
                // More may be on the way; what is at rest is said apart.
                record.is_moving = true;
            })
        });
        if counted.is_err() {
            self.uncounted.fetch_add(more, Ordering::SeqCst);
            self.unanswered.fetch_add(unanswered, Ordering::SeqCst);
        }
        drop(file);
        self.report(counted);
    }

    fn report(&self, written: io::Result<()>) {
        match written {
            Ok(()) => self.log.worked(),
            Err(error) => {
                if let Some(DueLine { error, .. }) = self.log.failed(&error) {
                    tracing::warn!(
                        error,
                        "can't count webhooks yet: a kill now would lose the count"
                    );
                }
            }
        }
    }
}

impl LateFile {
    /// Opens the file unless it is open.
    fn open(&mut self, now_ms: i64) -> io::Result<()> {
        if self.open.is_none() {
            let spool = self.path.clone();
            let mut file = CountFile::open(&path_of(&spool), || legacy::record(&spool, now_ms))?;
            let process = this_process(self.started_ms, now_ms);
            let mark = self.queue.mark().map(|mark| SpoolMark { mark, at_ms: now_ms });
            file.write(true, |record| {
                note_spool(record, mark, now_ms);
                begin(record, process, now_ms);
            })?;
            self.open = Some(file);
        }
        Ok(())
    }

    /// Changes it, and says that the door lives and which spool file it has.
    fn write_seen(
        &mut self,
        is_durable: bool,
        now_ms: i64,
        change: impl FnOnce(&mut CountRecord),
    ) -> io::Result<()> {
        let mark = self.queue.mark().map(|mark| SpoolMark { mark, at_ms: now_ms });
        self.write(is_durable, |record| {
            note_spool(record, mark, now_ms);
            if let Some(process) = &mut record.process {
                process.seen_ms = now_ms;
            }
            change(record);
        })
    }

    fn write(&mut self, is_durable: bool, change: impl FnOnce(&mut CountRecord)) -> io::Result<()> {
        let none = || io::Error::new(io::ErrorKind::StorageFull, "no room for the count file");
        self.open.as_mut().ok_or_else(none)?.write(is_durable, change)?;
        self.written_at = Instant::now();
        Ok(())
    }
}

/// Another spool file, or a copy of before, lacks what was in the one that was counted with.
fn note_spool(record: &mut CountRecord, spool: Option<SpoolMark>, now_ms: i64) {
    let Some(spool) = spool else { return };
    if let Some(before) = record.spool.filter(|before| !spool.mark.continues(&before.mark)) {
        let from_ms = before.at_ms.min(now_ms);
        let cause = GapCause::Spool;
        record.gaps.push(CountGap { from_ms, until_ms: now_ms, webhooks_max: None, cause });
    }
    record.spool = Some(spool);
}

/// The broker may have webhooks that were refused.
fn add_unanswered(record: &mut CountRecord, unanswered: u64, now_ms: i64) {
    if unanswered == 0 {
        return;
    }
    let from_ms = now_ms - TRIED_MAX_MS;
    let cause = GapCause::Unanswered;
    let gap = CountGap { from_ms, until_ms: now_ms, webhooks_max: Some(unanswered), cause };
    match record.gaps.last_mut() {
        // One outage is one gap.
        Some(last) if last.cause == cause && last.until_ms >= from_ms - OUTAGE_PAUSE_MS => {
            last.until_ms = now_ms;
            last.webhooks_max = last.webhooks_max.map(|max| max + unanswered);
        }
        _ => record.gaps.push(gap),
    }
}

/// A new process counts on. If the one before was killed at work, or with its machine, what it left
/// uncounted is a gap.
fn begin(record: &mut CountRecord, process: DoorProcess, now_ms: i64) {
    if let Some(dead) = record.process.take() {
        let is_same_boot = dead.boot.is_some() && dead.boot == process.boot;
        if record.is_moving || !is_same_boot {
            let webhooks_max = Some(UNCERTAIN_MIN.max(2 * record.recent));
            let from_ms = dead.seen_ms.min(now_ms);
            let cause = GapCause::Kill;
            record.gaps.push(CountGap { from_ms, until_ms: now_ms, webhooks_max, cause });
        }
    }
    // A file that was damaged knows no times.
    for gap in record.gaps.iter_mut().filter(|gap| gap.until_ms == 0) {
        gap.until_ms = now_ms;
    }
    (record.is_moving, record.process) = (false, Some(process));
}

fn this_process(started_ms: i64, now_ms: i64) -> DoorProcess {
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    DoorProcess {
        host: host.chars().take(255).collect(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms,
        seen_ms: now_ms,
        boot: boot.map(|boot| boot.trim().to_owned()),
    }
}

/// Whether the disk is full or read-only, and may be mended.
fn is_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

fn unusable(path: &Path, error: &io::Error) -> QueueError {
    QueueError::File {
        path: path_of(path).display().to_string(),
        problem: format!("what the broker takes can't be counted there: {error}"),
    }
}

//! Counts what the broker took, in the count file beside the spool file.
//!
//! Called by `spool.rs`: before a webhook goes to the broker, and when it was confirmed, before its
//! sender gets an answer. What the spool file itself takes is counted by its own transactions. Invariant:
//! `accepted` never counts more than was taken; whatever a kill can leave uncounted is
//! announced in the file before it is taken; and no full disk stops the count.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::file::path_of;
use super::late_file::LateFile;
use crate::clock::Clock;
use crate::queue::QueueError;
use crate::queue::spool::late::LateQueue;
use crate::telemetry::outage_log::{DueLine, OutageLog};

/// How long counting waits for more to count: one fsync for all of them.
const PAUSE: Duration = Duration::from_millis(50);

/// A door that has counted everything and takes nothing for so long says so: a kill then leaves nothing
/// uncounted.
const AT_REST_AFTER: Duration = Duration::from_millis(200);

/// How often a door says in its file that it lives.
const SEEN_EVERY: Duration = Duration::from_secs(3);

/// Counts while it lives; dropped, it writes the rest and marks the file as closed.
pub(in crate::queue::spool) struct Counter {
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

/// A webhook on its way to the broker. Dropped without an answer of the broker, the broker may have it.
pub(in crate::queue::spool) struct Counting {
    shared: Arc<Shared>,
    is_answered: bool,
}

impl Counting {
    /// The broker took it.
    pub(in crate::queue::spool) fn confirmed(mut self) {
        self.is_answered = true;
        self.shared.add(&self.shared.uncounted);
    }

    /// The broker does not have it, or it is counted elsewhere.
    pub(in crate::queue::spool) fn needs_no_count(mut self) {
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
    pub(in crate::queue::spool) fn open(
        path: &Path,
        queue: Arc<LateQueue>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueueError> {
        let started_ms = clock.now_ms();
        let mut file = LateFile::new(path, queue, started_ms);
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
    pub(in crate::queue::spool) fn begin(&self) -> Counting {
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
        if file.age() < SEEN_EVERY {
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
                record.add_unanswered(unanswered, now_ms);
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

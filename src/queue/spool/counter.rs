//! Counts what the broker took, durably, in the spool file.
//!
//! Called by `spool.rs` for each confirmed webhook, before its sender gets an answer. What the file
//! itself took is counted by its own transactions. What must stay true: `accepted` never counts more
//! than was taken, and what a kill can leave uncounted has a bound, which `uncertain` names.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::queue::QueueError;
use crate::queue::sqlite::connect;

/// A kill may always leave so many uncounted, about.
const UNCERTAIN_MIN: u64 = 16;

/// How long counting waits for more to count: one fsync for all of them.
const PAUSE: Duration = Duration::from_millis(50);

/// Counts while it lives; dropped, it writes the rest and marks the file as closed.
pub(super) struct Counter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    uncounted: AtomicU64,
    is_over: AtomicBool,
    asleep: Mutex<()>,
    bell: Condvar,
}

impl Counter {
    /// Opens the file's counters. If its last process did not close them, it says so in them.
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let mut connection = connect(path)?;
        begin(&mut connection)?;
        let shared = Arc::new(Shared::default());
        let counting = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("spool-counter".to_owned())
            .spawn(move || counting.run(&connection))
            .map_err(|error| QueueError::File {
                path: path.display().to_string(),
                problem: format!("no thread can be started for it: {error}"),
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Counts one more.
    pub(super) fn add(&self) {
        // Ringing is a system call, so only the first of those that are counted together does it.
        if self.shared.uncounted.fetch_add(1, Ordering::AcqRel) == 0 {
            self.shared.ring();
        }
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
    fn run(&self, connection: &Connection) {
        let mut recent = 0;
        while !self.is_over.load(Ordering::Acquire) {
            self.wait();
            self.count(connection, &mut recent);
        }
        self.count(connection, &mut recent);
        if let Err(error) = set(connection, "door_open", 0) {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't close the count");
        }
    }

    /// With the lock, so that no ring falls between the other side's last look and its sleep.
    fn ring(&self) {
        let _asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_one();
    }

    /// Waits for something to count, and for more to count with it.
    fn wait(&self) {
        let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |(): &mut ()| {
            self.uncounted.load(Ordering::Acquire) == 0 && !self.is_over.load(Ordering::Acquire)
        };
        drop(self.bell.wait_while(asleep, is_idle));
        thread::sleep(PAUSE);
    }

    /// Writes what is not counted yet; on an error it is tried again with the next. `recent` is about
    /// how many come at a time, so that after a kill it is known how many may be missing.
    fn count(&self, connection: &Connection, recent: &mut u64) {
        let more = self.uncounted.swap(0, Ordering::AcqRel);
        if more == 0 {
            return;
        }
        *recent = more.max(*recent / 2);
        if let Err(error) = write(connection, more, *recent) {
            self.uncounted.fetch_add(more, Ordering::AcqRel);
            tracing::warn!(error = &error as &dyn std::error::Error, "can't count webhooks yet");
        }
    }
}

fn write(connection: &Connection, more: u64, recent: u64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    add_to(&transaction, "accepted", more)?;
    set(&transaction, "door_recent", recent.cast_signed())?;
    transaction.commit()
}

/// How many may be uncounted because processes were killed.
pub(super) fn uncertain(path: &Path) -> Result<u64, QueueError> {
    Ok(get(&connect(path)?, "uncertain")?)
}

fn begin(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if get(&transaction, "door_open")? != 0 {
        let recent = get(&transaction, "door_recent")?;
        add_to(&transaction, "uncertain", UNCERTAIN_MIN.max(2 * recent))?;
    }
    set(&transaction, "door_open", 1)?;
    transaction.commit()
}

pub(super) fn get(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = db
        .query_row("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or_default().unsigned_abs())
}

pub(super) fn set(db: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO counters VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, (name, value)).map(drop)
}

fn add_to(db: &Connection, name: &str, more: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO counters VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = value + excluded.value";
    db.execute(sql, (name, more.cast_signed())).map(drop)
}

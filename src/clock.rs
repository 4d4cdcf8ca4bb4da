//! The time, as an argument: everything that asks for it holds a [`Clock`].
//!
//! Called by the shell (server, worker, queue). The pure core takes times as values.

mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, Utc};

pub(crate) use written::parse_time;

/// chrono writes a leap second as one that has this many nanoseconds, or more.
const LEAP_NANOSECONDS: u32 = 1_000_000_000;

/// A time that all databases store alike. Cut to microseconds, because they keep no more, except SQLite; and
/// a leap second, which MariaDB stores as no time at all, is the beginning of the next minute, as PostgreSQL
/// has it.
pub fn storable(time: DateTime<Utc>) -> DateTime<Utc> {
    let is_leap = time.timestamp_subsec_nanos() >= LEAP_NANOSECONDS;
    let next = || DateTime::from_timestamp(time.timestamp() + 1, 0);
    is_leap.then(next).flatten().unwrap_or_else(|| time.trunc_subsecs(6))
}

/// Where the shell gets the time from.
pub trait Clock: Send + Sync {
    /// Now, in milliseconds since 1970 (UTC).
    fn now_ms(&self) -> i64;

    /// Now, as a date and time.
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now_ms()).unwrap_or_default()
    }
}

/// The clock of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now_ms(&self) -> i64 {
        Utc::now().timestamp_millis()
    }
}

/// A clock that stands still until it is set; for tests and replays of histories.
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that stands at `now_ms`.
    pub fn at(now_ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now_ms)))
    }

    /// Moves the clock forward by `ms`.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

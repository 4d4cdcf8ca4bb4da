//! Who may be told what is some seconds old, and how old what was told is.
//!
//! Said around the work, not at each question, because the same questions serve lists and decisions: a list of webhooks
//! may be old, the same list may not when they are read again and applied.
//!
//! Invariant: once a statement was asked of the primary, all behind it are, too: else a list would step back in time,
//! and an export would end before the end that it was told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Nothing was read from a replica.
const FRESH: u64 = u64::MAX;

/// Work that may be told what is old.
struct LagScope {
    /// Age of the oldest that was read, ms.
    oldest_ms: AtomicU64,
    fell_back: AtomicBool,
}

tokio::task_local! {
    static SCOPE: LagScope;
}

/// Does what may be told of a replica; returns how old the oldest of it is at most, if any was.
pub async fn may_lag<T>(work: impl Future<Output = T>) -> (T, Option<Duration>) {
    let with_age = async {
        let done = work.await;
        let oldest_ms = SCOPE.with(|scope| scope.oldest_ms.load(Ordering::Relaxed));
        (done, (oldest_ms != FRESH).then(|| Duration::from_millis(oldest_ms)))
    };
    let scope = LagScope { oldest_ms: AtomicU64::new(FRESH), fell_back: AtomicBool::new(false) };
    SCOPE.scope(scope, with_age).await
}

/// Whether this is done within [`may_lag`], and the primary was not asked there.
pub(super) fn is_allowed() -> bool {
    SCOPE.try_with(|scope| !scope.fell_back.load(Ordering::Relaxed)).unwrap_or(false)
}

/// The primary is asked from here on.
pub(super) fn fall_back() {
    // Outside of it that is so anyway.
    let _ = SCOPE.try_with(|scope| scope.fell_back.store(true, Ordering::Relaxed));
}

/// Something of this age was read.
pub(super) fn was_read(age: Duration) {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(FRESH - 1);
    // Outside of it nobody asks.
    let _ = SCOPE.try_with(|scope| {
        let known = scope.oldest_ms.load(Ordering::Relaxed);
        let oldest_ms = if known == FRESH { age_ms } else { known.max(age_ms) };
        scope.oldest_ms.store(oldest_ms, Ordering::Relaxed);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_counts_and_only_inside() {
        assert!(!is_allowed());
        was_read(Duration::from_secs(9));
        let ((), age) = may_lag(async {
            assert!(is_allowed());
            was_read(Duration::from_millis(5));
            was_read(Duration::from_millis(2));
            fall_back();
            assert!(!is_allowed());
        })
        .await;
        assert_eq!(age, Some(Duration::from_millis(5)));
        assert_eq!(may_lag(async { is_allowed() }).await, (true, None));
    }
}

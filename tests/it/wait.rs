//! Waiting for a condition, with a limit; no test sleeps for a fixed time.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(25);

/// Waits until `condition` is some; panics with `what` after `limit`.
pub async fn wait_for<T, F, C>(what: &str, limit: Duration, mut condition: C) -> T
where
    F: Future<Output = Option<T>>,
    C: FnMut() -> F,
{
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

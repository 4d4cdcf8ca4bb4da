//! How gently: at a rate, resting as long as it works, and not while replicas are behind.

use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};

/// It rests as long as it works, so a busy database is left alone for longer.
const REST: u32 = 1;
/// A replica that is further behind is waited for.
const LAG_MAX: Duration = Duration::from_secs(10);
/// How often it is asked whether it has caught up.
const LAG_PAUSE: Duration = Duration::from_secs(5);

/// The pace of one pass.
pub(super) struct Pace {
    rows_per_second: Option<u32>,
    since: Instant,
}

impl Pace {
    /// Begins now.
    pub(super) fn new(rows_per_second: Option<u32>) -> Self {
        Self { rows_per_second, since: Instant::now() }
    }

    /// Rests after so many rows.
    pub(super) async fn rest(&mut self, store: &Store, rows: u64) -> Result<(), StoreError> {
        let worked = self.since.elapsed();
        tokio::time::sleep(pause(worked, rows, self.rows_per_second)).await;
        while store.replica_lag().await?.is_some_and(|lag| lag > LAG_MAX) {
            tokio::time::sleep(LAG_PAUSE).await;
        }
        self.since = Instant::now();
        Ok(())
    }
}

/// How long it rests that worked for so long on so many rows.
fn pause(worked: Duration, rows: u64, rows_per_second: Option<u32>) -> Duration {
    let rested = worked * REST;
    let Some(rate) = rows_per_second else { return rested };
    let due = Duration::from_millis(rows.saturating_mul(1000) / u64::from(rate.max(1)));
    rested.max(due.saturating_sub(worked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_as_long_as_it_works_and_keeps_to_the_rate() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(20), 500, None), ms(20));
        assert_eq!(pause(ms(20), 500, Some(1000)), ms(480));
        assert_eq!(pause(ms(400), 500, Some(1000)), ms(400));
        assert_eq!(pause(ms(20), 0, Some(1000)), ms(20));
    }
}

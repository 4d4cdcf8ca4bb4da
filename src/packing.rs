//! Moves bodies that the ledger keeps as they came to where they are packed, slowly, beside the traffic.
//!
//! Started by `lifecycle` beside a worker that packs bodies. Several workers may do it at once: whoever comes first
//! has done it. A stop in the middle costs nothing; it goes on where it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

/// How often it is looked for what is left.
const PAUSE: Duration = Duration::from_hours(1);
/// How long nothing is tried after an error.
const ERROR_PAUSE: Duration = Duration::from_secs(30);
/// It rests so many times as long as it works, so a busy database is left alone for longer.
const REST: u32 = 4;

/// Moves them until `stop`.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // A step that is cut off is rolled back.
        let Some(moved) = stop.run_until_cancelled(pack_all(&store, REST)).await else { return };
        let pause = match moved {
            Ok(0) => PAUSE,
            Ok(moved) => {
                tracing::info!(bodies.count = moved, "packed bodies of the ledger");
                PAUSE
            }
            // The worker reports an outage.
            Err(error) => {
                tracing::debug!(error = error.detail(), "can't pack bodies of the ledger");
                ERROR_PAUSE
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Moves all that are left; returns how many. Rests `rest` times as long as it works.
pub async fn pack_all(store: &Store, rest: u32) -> Result<u64, StoreError> {
    let mut pass = store.begin_move_pass().await?;
    loop {
        let started = Instant::now();
        if !store.move_bodies(&mut pass).await? {
            return Ok(pass.moved);
        }
        tokio::time::sleep(started.elapsed() * rest).await;
    }
}

//! Moves the messages of large chats that turned out to be another one, step by step, beside the traffic.
//!
//! Started by `lifecycle` beside every worker. Several may do it at once: each has its chats, and takes over those
//! of one that was killed. A stop in the middle costs nothing: what has moved has moved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::outage::Outage;
use crate::store::apply::chat_moves::ChatMove;
use crate::store::{Store, StoreError};

/// How often it is looked for chats that move.
const PAUSE: Duration = Duration::from_secs(5);
/// It rests as long as it works: others that write to the same chat wait for a step.
const REST: u32 = 1;

/// Moves them until `stop`.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // A step that is cut off is rolled back.
        let Some(moved) = stop.run_until_cancelled(Box::pin(move_all(&store))).await else {
            return;
        };
        if let Err(error) = moved {
            // The worker reports an outage.
            tracing::debug!(error = error.detail(), "can't move messages of chats that are one");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Moves all that nobody else moves; returns how many rows.
pub async fn move_all(store: &Store) -> Result<u64, StoreError> {
    let mut rows = 0;
    while let Some(mut chat) = store.take_chat_move().await? {
        tracing::info!(chat.id = chat.chat_id(), "a chat is another one: its messages move there");
        move_chat(store, &mut chat).await?;
        rows += chat.rows;
        tracing::info!(chat.id = chat.chat_id(), rows.count = chat.rows, "moved messages");
    }
    Ok(rows)
}

/// Until nothing is left, or another worker has it. Meeting others' locks is no reason to give it up.
async fn move_chat(store: &Store, chat: &mut ChatMove) -> Result<(), StoreError> {
    let mut outage = Outage::new();
    loop {
        let started = Instant::now();
        let pause = match store.move_chat_step(chat).await {
            Ok(false) => return Ok(()),
            Ok(true) => {
                outage = Outage::new();
                started.elapsed() * REST
            }
            Err(error) if error.class().is_blameless() => {
                tracing::debug!(error = error.detail(), "a step is tried again");
                outage.next_wait()
            }
            Err(error) => return Err(error),
        };
        tokio::time::sleep(pause).await;
    }
}

//! Publishes dead letters again: the one place that does.
//!
//! A replay goes under its first receipt through the same queue, so it is safe at any time and
//! however often: applied twice, it changes nothing.

use crate::queue::{Queue, QueueError};
use crate::store::dead_letter::DeadLetter;
use crate::store::{Store, StoreError};

/// Why a dead letter could not be published again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The queue refused; the dead letter can be replayed later.
    #[error("the queue refused")]
    Queue(#[from] QueueError),
    /// The dead letter's row could not be written.
    #[error("the dead letter could not be marked")]
    Store(#[from] StoreError),
}

/// Publishes one dead letter again. False when somebody else discarded or replayed it meanwhile.
///
/// It is marked first: if the process dies in between, it can be replayed once more.
pub async fn replay(
    letter: &DeadLetter,
    store: &Store,
    queue: &dyn Queue,
    by: &str,
) -> Result<bool, ReplayError> {
    if !store.begin_replay(letter.row.id, by).await? {
        return Ok(false);
    }
    queue.publish(letter.webhook()).await?;
    Ok(true)
}

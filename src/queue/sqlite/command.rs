//! What callers ask of the writer thread, and how it answers.
//!
//! Made by `sqlite.rs`, executed by `writer.rs`. What must stay true: a command that is dropped on its
//! way or fails gives back the deliveries it was to end, so that none stays in nobody's hand.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::queue::{BatchLimit, Delivery, Failure, Lane, QueueError, Tag};
use crate::webhook::Webhook;

/// Where an answer goes. Nobody there means that the caller was dropped.
pub(super) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// One thing asked of the writer thread.
pub(super) enum Command {
    Publish {
        webhook: Webhook,
        /// Their JSON text, made by the caller to spare the one thread.
        headers: String,
        reply: Reply<()>,
    },
    Claim {
        lane: Lane,
        limit: BatchLimit,
        reply: Reply<Vec<Delivery>>,
    },
    Ack {
        ending: Ending,
        reply: Reply<()>,
    },
    Retry {
        ending: Ending,
        /// Their JSON text, the new one included.
        failures: String,
        after_ms: i64,
        reply: Reply<()>,
    },
}

impl Command {
    /// Memory that it brings into a transaction, about.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Publish { webhook, headers, .. } => stored_bytes(webhook, headers),
            Self::Claim { .. } | Self::Ack { .. } | Self::Retry { .. } => 0,
        }
    }

    /// Answers that it failed.
    pub(super) fn fail(self, error: QueueError) {
        // A closed channel means that the caller is gone: nobody to tell.
        match self {
            Self::Publish { reply, .. } | Self::Ack { reply, .. } | Self::Retry { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            Self::Claim { reply, .. } => {
                let _ = reply.send(Err(error));
            }
        }
    }
}

/// What a webhook will take up in the file, about; indexes and row headers are under 200 bytes.
pub(super) fn stored_bytes(webhook: &Webhook, headers: &str) -> u64 {
    let key = webhook.key();
    let text = key.source.len() + key.session.len() + key.event_type.len() + key.id.len();
    (webhook.body().len() + headers.len() + text + 200) as u64
}

/// Deliveries whose end is asked for but not yet written; dropped, they go back to the queue.
pub(super) struct Ending {
    tags: Vec<Tag>,
    returns: UnboundedSender<Tag>,
}

impl Ending {
    /// Takes deliveries from their holder.
    pub(super) fn of(deliveries: Vec<Delivery>, returns: UnboundedSender<Tag>) -> Self {
        Self { tags: deliveries.into_iter().map(|delivery| delivery.end().0).collect(), returns }
    }

    /// Takes one delivery, with its failures.
    pub(super) fn of_one(
        delivery: Delivery,
        returns: UnboundedSender<Tag>,
    ) -> (Self, Vec<Failure>) {
        let (tag, failures) = delivery.end();
        (Self { tags: vec![tag], returns }, failures)
    }

    /// Which ones.
    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Their end is written.
    pub(super) fn written(mut self) -> Vec<Tag> {
        std::mem::take(&mut self.tags)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        for tag in &self.tags {
            // A closed channel means that the queue is closed; then nothing is in hand.
            let _ = self.returns.send(*tag);
        }
    }
}

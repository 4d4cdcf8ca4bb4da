//! What callers ask of the writer thread, and how it answers.
//!
//! Made by `sqlite.rs`, executed by `writer.rs`. Invariant: a command that is dropped on its
//! way or fails gives back the deliveries it was to end, so that none stays in nobody's hand.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::checksum::checksum;
use crate::queue::{BatchLimit, Delivery, Failure, Lane, QueueError, Tag};
use crate::webhook::Webhook;

/// Where an answer goes. Nobody there means that the caller was dropped.
pub(super) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// One thing asked of the writer thread.
pub(super) enum Command {
    Publish {
        webhook: Webhook,
        /// Made by the caller to spare the one thread.
        stored: StoredForm,
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
    /// Those that wait for their next attempt come now.
    Hasten {
        seqs: Vec<i64>,
        /// How many did.
        reply: Reply<u64>,
    },
    /// Damage was met beside the thread, or what is open can't be written.
    Mend {
        found: rusqlite::Error,
    },
}

/// What is stored of a webhook beside its own parts.
pub(super) struct StoredForm {
    /// Its headers' JSON text.
    pub(super) headers: String,
    pub(super) checksum: u32,
}

impl StoredForm {
    pub(super) fn of(webhook: &Webhook) -> serde_json::Result<Self> {
        let headers = serde_json::to_string(webhook.headers())?;
        let checksum = checksum(webhook.parts(), &headers);
        Ok(Self { headers, checksum })
    }
}

impl Command {
    /// Memory that it brings into a transaction, about.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Publish { webhook, stored, .. } => stored_bytes(webhook, &stored.headers),
            Self::Claim { .. }
            | Self::Ack { .. }
            | Self::Retry { .. }
            | Self::Hasten { .. }
            | Self::Mend { .. } => 0,
        }
    }

    /// What it tells of the file.
    pub(super) fn fault_found(&self) -> Option<&rusqlite::Error> {
        if let Self::Mend { found } = self { Some(found) } else { None }
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
            Self::Hasten { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            // Whoever met it has its own error.
            Self::Mend { .. } => {}
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

//! A row of a session's message store.

use std::sync::Arc;

use crate::simulate::message::{Chat, Content, Message, first_ack};
use crate::simulate::session::{Engine, Known};

use super::oddity::{Oddities, Oddity};

/// What a page of messages counts.
pub(super) struct Row {
    pub(super) chat: Chat,
    pub(super) at_ms: i64,
    /// None of what pages count and leave out.
    pub(super) kept: Option<Kept>,
}

/// A message as it is kept.
pub(super) struct Kept {
    pub(super) message: Arc<Message>,
    /// The highest ack so far, of own messages.
    pub(super) ack: Option<i64>,
    pub(super) is_revoked: bool,
    /// What was known of the session when it came.
    pub(super) known: Known,
}

impl Row {
    pub(super) const fn seconds(&self) -> i64 {
        self.at_ms.div_euclid(1_000)
    }
}

impl Kept {
    /// The ack that the engine's store has: GOWS has none of others' messages.
    pub(super) fn ack(&self, engine: Engine) -> Option<i64> {
        let from_me = self.message.from_me;
        let first = (engine != Engine::Gows || from_me).then(|| first_ack(engine, from_me));
        self.ack.max(first)
    }

    /// The message as it is by now: edited, or no more than the note that it was taken back.
    pub(super) fn shown(&self, now_ms: i64, oddities: Oddities) -> Message {
        let mut shown = self.message.as_of(now_ms);
        if self.is_revoked && oddities.contains(Oddity::RevokedShown) {
            shown.content = Content::Revoke { target: shown.bare_id.clone() };
        }
        shown
    }
}

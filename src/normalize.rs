//! `normalize`: one webhook -> the changes it tells, or why it tells none. Pure.
//!
//! Called by the worker. No I/O, no clock, no logging, no panic on any input; the same webhook gives
//! the same changes, always. Unknown fields never fail. One file per family of event types.

mod ack;
mod act;
mod author;
mod body;
mod call;
mod call_log;
mod cards;
mod chat;
mod details;
mod edit;
mod envelope;
mod event_response;
mod fields;
mod group;
mod ids;
mod kind;
mod label;
mod link;
pub mod listing;
mod media;
mod message;
mod name;
mod own;
mod poll;
mod reaction;
mod referral;
mod reply;
mod revoke;
mod session;
mod text;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::change::{CallState, Changes};
use crate::waha::json::{self, JsonError, TooComplex};
use crate::webhook::envelope::{Envelope, EnvelopeError};
use crate::webhook::{EventType, Webhook};

use body::Body;

/// Raised when the normalizer maps something anew, so that old rows of the ledger can be found.
pub const NORMALIZER_VERSION: i32 = 4;

/// What the configuration decides.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The key of the session's metadata that names the application's user.
    pub user_id_key: String,
}

/// What a webhook tells.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub enum Normalized {
    /// These changes.
    Changes(Changes),
    /// Nothing for our tables.
    Ignored(Ignored),
}

/// Why a webhook tells nothing for our tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// An event type that has no rows.
    UnknownEvent,
    /// An event type whose meaning is gone at once: presence, the engine's own traffic.
    Ephemeral,
    /// An ack without a known state.
    UnknownAck,
    /// Somebody repeated the id of another author's message.
    AuthorConflict,
}

impl Ignored {
    /// As stored.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownEvent => "unknown_event",
            Self::Ephemeral => "ephemeral",
            Self::UnknownAck => "unknown_ack",
            Self::AuthorConflict => "author_conflict",
        }
    }
}

/// Why a webhook can't be mapped, now or ever: it becomes a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum NormalizeError {
    /// It came in by no door of ours: somebody else's message, or one that is known by its hash alone.
    /// Rows of no source would be nobody's.
    #[error("it names no source")]
    NoSource,
    /// Signed, but no WAHA envelope.
    #[error("no WAHA envelope: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The envelope reads, the body around it does not.
    #[error("the body is not JSON that can be read: {0}")]
    Json(serde_json::Error),
    /// Reading the body would build far more than any WAHA sends.
    #[error(transparent)]
    TooComplex(TooComplex),
    /// A field without which the event says nothing.
    #[error("{event_type} without usable {field}")]
    Missing {
        /// The event type.
        event_type: String,
        /// The field's path in the body.
        field: &'static str,
    },
    /// Our code failed on it.
    #[error("reading it panicked")]
    Panic,
}

impl NormalizeError {
    /// A stable name for metrics and dead letters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::Envelope(_) | Self::Json(_) => "malformed",
            Self::TooComplex(_) => "too_complex",
            Self::Missing { .. } => "missing_field",
            Self::Panic => "panic",
        }
    }
}

impl From<JsonError> for NormalizeError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax(error) => Self::Json(error),
            JsonError::TooComplex(error) => Self::TooComplex(error),
        }
    }
}

/// Maps one webhook. A panic of ours is an error like others: one webhook must not end those beside it.
pub fn normalize(webhook: &Webhook, rules: &Rules) -> Result<Normalized, NormalizeError> {
    catch_unwind(AssertUnwindSafe(|| map(webhook, rules))).unwrap_or(Err(NormalizeError::Panic))
}

fn map(webhook: &Webhook, rules: &Rules) -> Result<Normalized, NormalizeError> {
    if webhook.key().source.is_empty() {
        return Err(NormalizeError::NoSource);
    }
    // Unreadable at the door; mended since, or readable to a newer release.
    let is_unnamed = webhook.key().event_type.is_empty() || webhook.key().session.is_empty();
    let named = is_unnamed.then(|| Envelope::read(webhook.body()));
    let named = named.transpose()?.map(|envelope| webhook.named_by(envelope));
    let webhook = named.as_ref().unwrap_or(webhook);
    let text = readable(webhook)?;
    let value = json::parse(&text)?;
    let mut normalized = by_event_type(&Body::new(webhook, &value), rules)?;
    if let Normalized::Changes(changes) = &mut normalized {
        own::set_apart(changes);
    }
    Ok(normalized)
}

fn by_event_type(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    match body.webhook.event_type() {
        EventType::SessionStatus => session::status(body, rules),
        EventType::Message | EventType::MessageAny | EventType::MessageWaiting => {
            message::message(body, rules)
        }
        EventType::MessageAck | EventType::MessageAckGroup => ack::ack(body, rules),
        EventType::MessageReaction => reaction::reaction(body, rules),
        EventType::MessageEdited => edit::edited(body, rules),
        EventType::MessageRevoked => revoke::revoked(body, rules),
        EventType::PollVote | EventType::PollVoteFailed => poll::vote(body, rules),
        EventType::EventResponse | EventType::EventResponseFailed => {
            event_response::response(body, rules)
        }
        EventType::CallReceived => call::call(body, rules, CallState::Received),
        EventType::CallAccepted => call::call(body, rules, CallState::Accepted),
        EventType::CallRejected => call::call(body, rules, CallState::Rejected),
        EventType::ChatArchive => chat::archive(body, rules),
        EventType::GroupJoin => group::join(body, rules),
        EventType::GroupLeave => group::leave(body, rules),
        EventType::GroupUpdate => group::update(body, rules),
        EventType::GroupParticipants => group::participants(body, rules),
        EventType::GroupJoinRequest => group::join_request(body, rules),
        EventType::GroupJoinV1 => group::join_v1(body, rules),
        EventType::GroupLeaveV1 => group::leave_v1(body, rules),
        EventType::LabelUpsert | EventType::LabelDeleted => label::label(body, rules),
        EventType::LabelChatAdded | EventType::LabelChatDeleted => label::on_chat(body, rules),
        EventType::PresenceUpdate | EventType::StateChange | EventType::EngineEvent => {
            Ok(Normalized::Ignored(Ignored::Ephemeral))
        }
        EventType::Other => Ok(Normalized::Ignored(Ignored::UnknownEvent)),
    }
}

/// The text of a body. Of types that are ignored whatever they say it is left out, because it may be
/// large: the engine's own traffic has megabytes.
fn readable(webhook: &Webhook) -> Result<Cow<'_, str>, NormalizeError> {
    match webhook.event_type() {
        EventType::PresenceUpdate
        | EventType::StateChange
        | EventType::EngineEvent
        | EventType::Other => {
            json::check_syntax(webhook.body())?;
            Ok(Cow::Borrowed("null"))
        }
        _ => Ok(json::storable(webhook.body())),
    }
}

#[cfg(test)]
mod tests;

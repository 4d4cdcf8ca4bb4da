//! What an event tells WAHA's own store, which answers over REST. Filled by the families, read by `api`.

use std::sync::Arc;

use super::Sent;
use super::message::{Chat, Message};
use super::people::{Group, Person};
use super::session::Known;

/// What changed in the store of a session.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Nothing,
    Message(Arc<Message>),
    /// A row that pages count and then leave out: a reaction, a vote, an edit, a revocation.
    Hidden {
        chat: Chat,
        at_ms: i64,
    },
    /// How far a message got.
    Acked {
        message: Arc<Message>,
        ack: i64,
    },
    /// The message was taken back; its revocation is a hidden row.
    Revoked {
        message: Arc<Message>,
        at_ms: i64,
    },
    Status(&'static str),
    Group(Group, Membership),
}

/// What changed in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Membership {
    /// The account joined.
    Joined,
    /// The account left.
    Left,
    /// The name was changed so many times.
    Renamed(u64),
    /// Somebody has this role now.
    Member(Person, &'static str),
    /// Somebody is no member any more.
    Gone(Person),
}

/// One webhook, whose it is and what its WAHA knows by then.
pub(crate) struct Moment {
    pub(crate) sent: Sent,
    /// Position of its session.
    pub(crate) session: usize,
    pub(crate) known: Known,
    pub(crate) told: Told,
}

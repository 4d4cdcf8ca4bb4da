//! What is told about a call.

use chrono::{DateTime, Utc};

use super::rename::Named;
use super::{ChatKey, Merge, Register, SessionKey};

/// A call; its id is the same in all its events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// Whose call.
    pub session: SessionKey,
    /// WhatsApp's call id.
    pub call_id: String,
}

impl Named for CallKey {}

/// What is told about a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallChange {
    /// How far it got; only forward.
    pub state: Option<CallState>,
    /// Who calls whom.
    pub details: Option<Register<CallDetails>>,
    /// Whether it has video; told by its offer only, since a rejection may say no for any call.
    pub is_video: Option<Register<bool>>,
    /// When it rang.
    pub received_at: Option<DateTime<Utc>>,
    /// When it was taken.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it was rejected, or rang out.
    pub rejected_at: Option<DateTime<Utc>>,
    /// Why it was rejected, as far as the engine says.
    pub rejected_reason: Option<Register<String>>,
    /// How it ended, in the words of the call's entry in the chat: `connected`, `missed`, ….
    pub outcome: Option<Register<String>>,
    /// How many seconds they spoke, by the same entry.
    pub duration_s: Option<Register<i32>>,
}

/// Who calls whom.
#[derive(Clone, Debug, PartialEq)]
pub struct CallDetails {
    /// The chat it belongs to: the caller's, or the group's.
    pub chat: Option<ChatKey>,
    /// The caller.
    pub from: Option<String>,
    /// The own account.
    pub to: Option<String>,
    /// The group of a group call.
    pub group: Option<String>,
    /// Whether it is a group call.
    pub is_group: bool,
}

/// How far a call got, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallState {
    /// It rings.
    Received,
    /// It was taken, here or on another device.
    Accepted,
    /// It was rejected, or nobody took it.
    Rejected,
}

impl CallState {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// Place in the order, from 0.
    pub fn rank(self) -> i16 {
        self as i16
    }
}

impl Merge for CallChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: details, is_video, rejected_reason, outcome, duration_s;
            forward: state; earliest: received_at, accepted_at, rejected_at);
    }
}

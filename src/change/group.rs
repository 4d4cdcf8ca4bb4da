//! What is told about the members of a group.

use super::rename::in_chat;
use super::{ChatKey, Merge, Register};

/// A member of a group, now or before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantKey {
    /// The group.
    pub chat: ChatKey,
    /// The person.
    pub jid: String,
}

in_chat!(ParticipantKey: chat, jid);

/// What a person is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Was a member.
    Left,
    /// A member.
    Participant,
    /// May change the group.
    Admin,
    /// Made the group.
    SuperAdmin,
}

impl Role {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Participant => "participant",
            Self::Admin => "admin",
            Self::SuperAdmin => "superadmin",
        }
    }

    /// Whether the person belongs to the group.
    pub fn is_member(self) -> bool {
        self != Self::Left
    }
}

/// The newest telling counts, whether of one member or of a whole list.
pub type ParticipantChange = Register<Role>;

/// A person's wish to join a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinRequestKey {
    /// The group.
    pub chat: ChatKey,
    /// The person.
    pub jid: String,
}

in_chat!(JoinRequestKey: chat, jid);

/// How a wish to join stands. What WAHA does not say of each is a register apart.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinRequestChange {
    /// WAHA's word: `created`, `rejected`, `revoked`.
    pub state: Register<String>,
    /// WAHA's word: `invite_link`, `linked_group_join`, `non_admin_add`.
    pub method: Option<Register<String>>,
}

impl Merge for JoinRequestChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: state, method);
    }
}

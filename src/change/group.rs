//! What is told about the members of a group.

use super::{ChatKey, Register};

/// A member of a group, now or before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantKey {
    /// The group.
    pub chat: ChatKey,
    /// The person.
    pub jid: String,
}

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

/// How a wish to join stands.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinRequest {
    /// WAHA's word: `created`, `rejected`, `revoked`.
    pub state: String,
    /// WAHA's word: `invite_link`, `linked_group_join`, `non_admin_add`.
    pub method: Option<String>,
}

/// The newest telling counts.
pub type JoinRequestChange = Register<JoinRequest>;

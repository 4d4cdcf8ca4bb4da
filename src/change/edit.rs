//! What happens to a message's text after it was sent: edits and revocations.
//!
//! Both are told under an author. Which of them count is decided in the store, once the message's
//! owner is known: see `store/apply/conflicts.rs`.

use chrono::{DateTime, Utc};

use super::rename::in_chat;
use super::{Merge, MessageKey, Register, Version};

/// One edit. WAHA's id of an edit is chosen by its author, so the author is part of the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EditKey {
    /// What was edited.
    pub message: MessageKey,
    /// Who edited it, in the words of [`MessageChange::told`](super::MessageChange::told).
    pub author: String,
    /// The bare id of the edit, else the id of its webhook.
    pub edit_id: String,
}

in_chat!(EditKey: message.chat, author; about message);

/// An edit; one that could be read is newer than one that could not.
pub type EditChange = Register<Edit>;

/// An edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The whole new text; none when WAHA could not read it.
    pub text: Option<String>,
    /// When it was edited.
    pub at: DateTime<Utc>,
}

/// Somebody's revocation of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationKey {
    /// What was revoked.
    pub message: MessageKey,
    /// Who revoked it, in the words of [`MessageChange::told`](super::MessageChange::told).
    pub author: String,
}

in_chat!(RevocationKey: message.chat, author; about message);

/// A revocation: final, and the earliest telling of it stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Revocation {
    /// Its time and a hash.
    pub version: Version,
    /// When it was revoked.
    pub at: DateTime<Utc>,
    /// Id of who revoked it.
    pub by: String,
    /// Whether WhatsApp's own client or server checked that this one may revoke the message. Only
    /// then can it be somebody else's: an admin's.
    pub is_verified: bool,
}

impl Merge for Revocation {
    fn merge_in(&mut self, other: Self) {
        self.is_verified |= other.is_verified;
        if other.version < self.version {
            *self = Self { is_verified: self.is_verified, ..other };
        }
    }
}

//! What is told of the account's own messages in direct chats, which may be told under either name of
//! the chat: the message under the phone number, its ack under the LID, and nothing links the two.
//!
//! The bare id of such a message was chosen by our own account, so whatever is told of it belongs to one
//! message. `normalize/own` sets apart what does; the store knows under which name the message was told
//! (`store/apply/own_messages`), and [`Changes::bring_home`] puts it there.

use chrono::{DateTime, Utc};

use super::person::is_lid;
use super::{
    Changes, ChatKey, EditKey, Merge, MessageChange, MessageKey, MessageStatus, RevocationKey,
};
use crate::waha::jid::ChatKind;

/// The own account, wherever it did something.
pub const ME: &str = "me";

/// What names a chat of an own message, the most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Witness {
    /// The message itself.
    Told,
    /// An edit or a revocation: the own account made it.
    Amended,
    /// An ack. Who knows the id of a message in a group can forge one in his own chat.
    Acked,
}

impl Witness {
    /// As stored.
    pub fn rank(self) -> i16 {
        self as i16
    }

    /// The witness of a rank; the least certain for one that is not known.
    pub fn of_rank(rank: i16) -> Self {
        match rank {
            0 => Self::Told,
            1 => Self::Amended,
            _ => Self::Acked,
        }
    }
}

/// What is told of an own message under one name of its chat, beside what has an author.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnMessageChange {
    /// The most certain that names this chat.
    pub witness: Witness,
    /// How far the message got; only forward.
    pub status: Option<MessageStatus>,
    /// When it was the chat's last message; only forward.
    pub told_at: Option<DateTime<Utc>>,
}

impl OwnMessageChange {
    /// Nothing but that the chat is named.
    pub fn new(witness: Witness) -> Self {
        Self { witness, status: None, told_at: None }
    }
}

impl Merge for OwnMessageChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: ; least: witness; forward: status, told_at);
    }
}

/// Which of several names for the chat of one message counts: the lowest.
pub fn chat_rank(witness: Witness, chat_id: &str) -> (Witness, bool, &str) {
    (witness, is_lid(chat_id), chat_id)
}

/// Whether a chat is a person's and may have two names: `…@c.us` and `…@lid`.
pub fn is_person(chat: &ChatKey) -> bool {
    let has_names = chat.chat_id.ends_with("@c.us") || chat.chat_id.ends_with("@lid");
    has_names && ChatKind::of(&chat.chat_id) == ChatKind::Person
}

impl Changes {
    /// Says that this is an own message of a direct chat.
    pub fn own_message(&mut self, key: &MessageKey, change: OwnMessageChange) {
        self.message(key);
        match self.own_messages.get_mut(key) {
            Some(mine) => mine.merge_in(change),
            None => {
                self.own_messages.insert(key.clone(), change);
            }
        }
    }

    /// Puts what the own account told of a message, edited and revoked under one name of a chat to
    /// where the message is. What others did under the first name stays there.
    pub fn bring_home(&mut self, told: &MessageKey, home: &MessageKey) {
        self.message(home);
        if told == home {
            return;
        }
        if let Some(message) = self.messages.get_mut(told) {
            let mine = message.told.remove(ME);
            let reason = message.status_reason.take();
            let home = self.message(home);
            home.told.merge_in(mine.map(|mine| (ME.to_owned(), mine)).into_iter().collect());
            home.status_reason.merge_in(reason);
        }
        self.bring_amendments(told, home);
        let is_empty = |message: &MessageChange| *message == MessageChange::default();
        if self.messages.get(told).is_some_and(is_empty) && !self.mentions(told) {
            self.messages.remove(told);
        }
    }

    fn bring_amendments(&mut self, told: &MessageKey, home: &MessageKey) {
        let is_mine = |key: &EditKey| key.message == *told && key.author == ME;
        let edits: Vec<EditKey> = self.edits.keys().filter(|key| is_mine(key)).cloned().collect();
        for key in edits {
            if let Some(edit) = self.edits.remove(&key) {
                self.edit(EditKey { message: home.clone(), ..key }, edit);
            }
        }
        let by_me = |message: &MessageKey| RevocationKey {
            message: message.clone(),
            author: ME.to_owned(),
        };
        if let Some(revocation) = self.revocations.remove(&by_me(told)) {
            self.revoke(by_me(home), revocation);
        }
    }
}

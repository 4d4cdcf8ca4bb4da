//! What can happen to a row: the closed list that applications know.

use sea_orm::{EntityTrait, ModelTrait};

/// What is done with the entity of a table, whichever it is.
pub trait EntityUse {
    /// What comes of it.
    type Output;

    /// Does it.
    fn with<E>(self) -> Self::Output
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>;
}

/// Defines the kinds with their names, the weakest first: of several that happen to a row in one transaction
/// the strongest is told.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal of $table:ident,)+) => {
        /// What happened to a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ChangeKind {
            $($(#[$doc])* $kind,)+
        }

        impl ChangeKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// As the feed says it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The table whose row it is.
            pub fn table(self) -> &'static str {
                match self { $(Self::$kind => stringify!($table),)+ }
            }

            /// Does something with the table's entity.
            pub fn with_entity<U: EntityUse>(self, that: U) -> U::Output {
                match self { $(Self::$kind => that.with::<entity::$table::Entity>(),)+ }
            }
        }
    };
}

kinds! {
    /// Identity, configuration or state of a session.
    Session = "session" of waha_sessions,
    /// A state that a session was in.
    SessionStatus = "session.status" of waha_session_statuses,
    /// It was deleted because it is old (retention).
    SessionStatusDeleted = "session.status.deleted" of waha_session_statuses,
    /// A person's name or ids.
    Contact = "contact" of waha_contacts,
    /// Name, last message or the like of a conversation.
    ChatUpdated = "chat.updated" of waha_chats,
    /// A conversation is new.
    ChatCreated = "chat.created" of waha_chats,
    /// A conversation turned out to be another one, to which the row points and everything in it moved.
    ChatMerged = "chat.merged" of waha_chats,
    /// Only how far a message got.
    MessageStatus = "message.status" of waha_messages,
    /// Anything else of a message.
    MessageUpdated = "message.updated" of waha_messages,
    /// Its author changed its text.
    MessageEdited = "message.edited" of waha_messages,
    /// It was taken back.
    MessageRevoked = "message.revoked" of waha_messages,
    /// A message is new.
    MessageCreated = "message.created" of waha_messages,
    /// A message turned out to be another row, to which this one points.
    MessageMerged = "message.merged" of waha_messages,
    /// It was deleted because it is old (retention).
    MessageDeleted = "message.deleted" of waha_messages,
    /// A message's file was stored, or it is known that it will not be.
    Attachment = "attachment" of waha_attachments,
    /// Which ad or post brought a message.
    Referral = "referral" of waha_message_referrals,
    /// Somebody's reaction to a message, or its end.
    Reaction = "reaction" of waha_reactions,
    /// Somebody's vote in a poll.
    PollVote = "poll_vote" of waha_poll_votes,
    /// Somebody's answer to an event.
    EventResponse = "event_response" of waha_event_responses,
    /// How far a message got with a member of a group.
    MemberAck = "message.ack" of waha_message_acks,
    /// A call.
    Call = "call" of waha_calls,
    /// It was deleted because it is old (retention).
    CallDeleted = "call.deleted" of waha_calls,
    /// How far somebody has read.
    Read = "read" of chat_reads,
    /// A member of a group.
    Participant = "participant" of waha_participants,
    /// A request to join a group.
    JoinRequest = "join_request" of waha_join_requests,
    /// A label of the account.
    Label = "label" of waha_labels,
    /// A label on a conversation.
    ChatLabel = "chat_label" of waha_chat_labels,
}

impl ChangeKind {
    /// The kind of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::of(kind.name()), Some(*kind));
        }
        assert_eq!(ChangeKind::of("message"), None);
    }
}

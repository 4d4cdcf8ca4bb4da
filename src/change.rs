//! Changes: the vocabulary between `normalize`, which makes them, and `store`, which writes them.
//!
//! A [`Changes`] says what one webhook, or a merged batch of them, tells about rows. Merging is
//! commutative, associative and idempotent ([`merge`]); the upserts of `store` follow the same
//! rules, so the rows depend on the set of webhooks alone and not on their order.

#[macro_use]
pub mod merge;

pub mod answer;
pub mod call;
pub mod chat;
pub mod edit;
pub mod group;
pub mod label;
pub mod message;
pub mod own;
pub mod person;
pub mod rename;
pub mod session;
mod version;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use answer::{
    AnswerKey, EventResponse, EventResponseChange, MemberAckChange, Reaction, ReactionChange, Vote,
    VoteChange,
};
pub use call::{CallChange, CallDetails, CallKey, CallState};
pub use chat::{ChatChange, ChatKey, LastMessage, Read, ReadChange, ReadKey};
pub use edit::{Edit, EditChange, EditKey, Revocation, RevocationKey};
pub use group::{JoinRequestChange, JoinRequestKey, ParticipantChange, ParticipantKey, Role};
pub use label::{ChatLabelChange, ChatLabelKey, LabelChange, LabelKey, LabelLook};
pub use merge::Merge;
pub use message::{
    Content, Media, MessageChange, MessageKey, Origin, Referral, ReferralChange, Reply, Told,
};
pub use own::{ME, OwnMessageChange, Witness};
pub use person::{ContactChange, Link, Names, PersonKey};
use rename::Table;
pub use rename::{InChat, Named};
pub use session::{
    Identity, IdentityVersions, Metadata, SessionChange, SessionKey, SessionStatus, Software,
    StatusPoint,
};
pub use version::{Register, Version};
pub use words::Words;
use words::words_of;

pub use crate::waha::ack::MessageStatus;

/// Defines the tables of [`Changes`]: the one list of them. What a table's rows are called is what they are
/// counted as; tables without such a name are views of others, and are not counted.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident: $rows:ty $(, $counted:literal)?;)+) => {
        /// What webhooks tell, by row, in the canonical order in which rows are locked.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Changes {
            $($(#[$doc])* pub $table: $rows,)+
        }

        impl Changes {
            /// How many there are, by what they are about.
            pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
                let counts = [$($(($counted, self.$table.len()),)?)+];
                counts.into_iter().filter(|(_, count)| *count > 0)
            }

            /// The rows that are counted, in words below their session.
            pub fn rows(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
                let rows = [$($(($counted, words_of(&self.$table)),)?)+];
                rows.into_iter().filter(|(_, words)| !words.is_empty())
            }

            /// Sees every key.
            fn each_key<'a>(&'a self, see: &mut dyn FnMut(&'a dyn Named)) {
                $(self.$table.each_key(see);)+
            }

            /// All keys under the names of their people.
            fn with_renamed_keys(self, names: &Names) -> Self {
                Self { $($table: self.$table.with_renamed_keys(names)),+ }
            }
        }

        impl Merge for Changes {
            fn merge_in(&mut self, other: Self) {
                merge_fields!(self, other: $($table),+);
            }
        }
    };
}

tables! {
    /// Sessions. Every session, chat and call named below is in here.
    sessions: BTreeMap<SessionKey, SessionChange>, "sessions";
    /// Chats. Every chat named below is in here.
    chats: BTreeMap<ChatKey, ChatChange>, "chats";
    /// Messages. Every message named in the next seven is in here.
    messages: BTreeMap<MessageKey, MessageChange>, "messages";
    /// Of the messages: own ones in direct chats, under the names that were told.
    own_messages: BTreeMap<MessageKey, OwnMessageChange>;
    /// What came as a message and is none, because it acts on another one: nothing is told of these.
    acts: BTreeSet<MessageKey>;
    /// Edits, whoever made them.
    edits: BTreeMap<EditKey, EditChange>, "edits";
    /// Revocations, whoever made them.
    revocations: BTreeMap<RevocationKey, Revocation>, "revocations";
    /// From which ads or posts the authors of messages came.
    referrals: BTreeMap<AnswerKey, ReferralChange>, "referrals";
    /// Reactions.
    reactions: BTreeMap<AnswerKey, ReactionChange>, "reactions";
    /// Votes in polls.
    votes: BTreeMap<AnswerKey, VoteChange>, "votes";
    /// Answers to invitations.
    event_responses: BTreeMap<AnswerKey, EventResponseChange>, "answers to invitations";
    /// How far own messages got with members of groups.
    member_acks: BTreeMap<AnswerKey, MemberAckChange>, "acks of members";
    /// Calls.
    calls: BTreeMap<CallKey, CallChange>, "calls";
    /// How far someone has read a chat.
    reads: BTreeMap<ReadKey, ReadChange>, "read marks";
    /// People, as far as something is told about them.
    contacts: BTreeMap<PersonKey, ContactChange>, "contacts";
    /// Which ids are one person.
    links: BTreeSet<Link>;
    /// Members of groups.
    participants: BTreeMap<ParticipantKey, ParticipantChange>, "members";
    /// Wishes to join a group.
    join_requests: BTreeMap<JoinRequestKey, JoinRequestChange>, "wishes to join";
    /// Labels.
    labels: BTreeMap<LabelKey, LabelChange>, "labels";
    /// Which chats have which labels.
    chat_labels: BTreeMap<ChatLabelKey, ChatLabelChange>, "labels on chats";
}

impl Changes {
    /// The change of a session, made if there is none yet.
    pub fn session(&mut self, key: &SessionKey) -> &mut SessionChange {
        self.sessions.entry(key.clone()).or_default()
    }

    /// The change of a chat, made if there is none yet.
    pub fn chat(&mut self, key: &ChatKey) -> &mut ChatChange {
        self.session(&key.session);
        self.chats.entry(key.clone()).or_default()
    }

    /// The change of a message, made if there is none yet.
    pub fn message(&mut self, key: &MessageKey) -> &mut MessageChange {
        self.chat(&key.chat);
        self.messages.entry(key.clone()).or_default()
    }

    /// Says that somebody has edited a message.
    pub fn edit(&mut self, key: EditKey, edit: EditChange) {
        self.message(&key.message);
        self.edits.merge_in(BTreeMap::from([(key, edit)]));
    }

    /// Says that somebody has revoked a message.
    pub fn revoke(&mut self, key: RevocationKey, revocation: Revocation) {
        self.message(&key.message);
        self.revocations.merge_in(BTreeMap::from([(key, revocation)]));
    }

    /// Says from which ad or post the author of a message came.
    pub fn refer(&mut self, key: AnswerKey, referral: ReferralChange) {
        self.message(&key.message);
        self.referrals.merge_in(BTreeMap::from([(key, referral)]));
    }

    /// Says how somebody reacts to a message.
    pub fn react(&mut self, key: AnswerKey, reaction: ReactionChange) {
        self.message(&key.message);
        self.reactions.merge_in(BTreeMap::from([(key, reaction)]));
    }

    /// Says what somebody votes in a poll.
    pub fn vote(&mut self, key: AnswerKey, vote: VoteChange) {
        self.message(&key.message);
        self.votes.merge_in(BTreeMap::from([(key, vote)]));
    }

    /// Says how somebody answers an invitation.
    pub fn answer_event(&mut self, key: AnswerKey, response: EventResponseChange) {
        self.message(&key.message);
        self.event_responses.merge_in(BTreeMap::from([(key, response)]));
    }

    /// Says how far a message got with a member of a group.
    pub fn ack_by(&mut self, key: AnswerKey, ack: MemberAckChange) {
        self.message(&key.message);
        self.member_acks.merge_in(BTreeMap::from([(key, ack)]));
    }

    /// The change of a call, made if there is none yet.
    pub fn call(&mut self, key: &CallKey) -> &mut CallChange {
        self.session(&key.session);
        self.calls.entry(key.clone()).or_default()
    }

    /// Says that somebody has read a chat up to a message.
    pub fn read(&mut self, key: ReadKey, read: ReadChange) {
        self.chat(&key.chat);
        self.reads.merge_in(BTreeMap::from([(key, read)]));
    }

    /// Says what a person is in a group.
    pub fn participant(&mut self, key: ParticipantKey, change: ParticipantChange) {
        self.chat(&key.chat);
        self.participants.merge_in(BTreeMap::from([(key, change)]));
    }

    /// The change of a label, made if there is none yet.
    pub fn label(&mut self, key: &LabelKey) -> &mut LabelChange {
        self.session(&key.session);
        self.labels.entry(key.clone()).or_default()
    }
}

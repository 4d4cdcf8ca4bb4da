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

use std::collections::{BTreeMap, BTreeSet};

pub use answer::{
    AnswerKey, EventResponse, EventResponseChange, MemberAckChange, Reaction, ReactionChange, Vote,
    VoteChange,
};
pub use call::{CallChange, CallDetails, CallKey, CallState};
pub use chat::{ChatChange, ChatKey, LastMessage, Read, ReadChange, ReadKey};
pub use edit::{Edit, EditChange, EditKey, Revocation, RevocationKey};
pub use group::{
    JoinRequest, JoinRequestChange, JoinRequestKey, ParticipantChange, ParticipantKey, Role,
};
pub use label::{ChatLabelChange, ChatLabelKey, LabelChange, LabelKey, LabelLook};
pub use merge::Merge;
pub use message::{
    Content, Media, MessageChange, MessageKey, Origin, Referral, ReferralChange, Reply, Told,
};
pub use own::{ME, OwnMessageChange, Witness};
pub use person::{ContactChange, Link, Names, PersonKey};
pub use rename::{InChat, Named};
pub use session::{
    Identity, IdentityVersions, Metadata, SessionChange, SessionKey, SessionStatus, Software,
    StatusPoint,
};
pub use version::{Register, Version};

pub use crate::waha::ack::MessageStatus;

/// What webhooks tell, by row, in the canonical order in which rows are locked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Sessions. Every session, chat and call named below is in here.
    pub sessions: BTreeMap<SessionKey, SessionChange>,
    /// Chats. Every chat named below is in here.
    pub chats: BTreeMap<ChatKey, ChatChange>,
    /// Messages. Every message named in the next seven is in here.
    pub messages: BTreeMap<MessageKey, MessageChange>,
    /// Of the messages: own ones in direct chats, under the names that were told.
    pub own_messages: BTreeMap<MessageKey, OwnMessageChange>,
    /// Edits, whoever made them.
    pub edits: BTreeMap<EditKey, EditChange>,
    /// Revocations, whoever made them.
    pub revocations: BTreeMap<RevocationKey, Revocation>,
    /// From which ads or posts the authors of messages came.
    pub referrals: BTreeMap<AnswerKey, ReferralChange>,
    /// Reactions.
    pub reactions: BTreeMap<AnswerKey, ReactionChange>,
    /// Votes in polls.
    pub votes: BTreeMap<AnswerKey, VoteChange>,
    /// Answers to invitations.
    pub event_responses: BTreeMap<AnswerKey, EventResponseChange>,
    /// How far own messages got with members of groups.
    pub member_acks: BTreeMap<AnswerKey, MemberAckChange>,
    /// Calls.
    pub calls: BTreeMap<CallKey, CallChange>,
    /// How far someone has read a chat.
    pub reads: BTreeMap<ReadKey, ReadChange>,
    /// People, as far as something is told about them.
    pub contacts: BTreeMap<PersonKey, ContactChange>,
    /// Which ids are one person.
    pub links: BTreeSet<Link>,
    /// Members of groups.
    pub participants: BTreeMap<ParticipantKey, ParticipantChange>,
    /// Wishes to join a group.
    pub join_requests: BTreeMap<JoinRequestKey, JoinRequestChange>,
    /// Labels.
    pub labels: BTreeMap<LabelKey, LabelChange>,
    /// Which chats have which labels.
    pub chat_labels: BTreeMap<ChatLabelKey, ChatLabelChange>,
}

impl Changes {
    /// How many there are, by what they are about.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let Self {
            sessions,
            chats,
            messages,
            // Another view of messages, and of who is who.
            own_messages: _,
            links: _,
            edits,
            revocations,
            referrals,
            reactions,
            votes,
            event_responses,
            member_acks,
            calls,
            reads,
            contacts,
            participants,
            join_requests,
            labels,
            chat_labels,
        } = self;
        let counts = [
            ("sessions", sessions.len()),
            ("chats", chats.len()),
            ("messages", messages.len()),
            ("edits", edits.len()),
            ("revocations", revocations.len()),
            ("referrals", referrals.len()),
            ("reactions", reactions.len()),
            ("votes", votes.len()),
            ("answers to invitations", event_responses.len()),
            ("acks of members", member_acks.len()),
            ("calls", calls.len()),
            ("read marks", reads.len()),
            ("contacts", contacts.len()),
            ("members", participants.len()),
            ("wishes to join", join_requests.len()),
            ("labels", labels.len()),
            ("labels on chats", chat_labels.len()),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }

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

impl Merge for Changes {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: sessions, chats, messages, own_messages, edits, revocations,
            referrals, reactions, votes, event_responses, member_acks, calls, reads, contacts, links, participants,
            join_requests, labels, chat_labels);
    }
}

//! Puts changes under the names that stand for their people.
//!
//! Called by the store, which knows what links were told. Keys that become equal merge by the same
//! rules as any two tellings, so it makes no difference under which id something was told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AnswerKey, CallChange, Changes, ChatKey, ChatLabelKey, EditKey, JoinRequestKey, Link, Merge,
    MessageChange, MessageKey, Names, ParticipantKey, PersonKey, ReadKey, RevocationKey,
    SessionKey, Told,
};

/// A key that names people.
pub trait Named {
    /// Puts the people's names in place of their ids.
    fn rename(&mut self, names: &Names);
}

/// A key of what belongs to a chat.
pub trait InChat {
    /// The chat, which may be a person's.
    fn chat(&self) -> &ChatKey;
    /// Who is named beside the chat.
    fn person(&self) -> Option<&str>;
}

/// Says where a key has its chat, and whom it names beside it.
macro_rules! in_chat {
    ($key:ty: $($chat:ident).+ $(, $person:ident)?) => {
        impl InChat for $key {
            fn chat(&self) -> &ChatKey {
                &self.$($chat).+
            }

            fn person(&self) -> Option<&str> {
                None$(.or(Some(self.$person.as_str())))?
            }
        }

        impl Named for $key {
            fn rename(&mut self, names: &Names) {
                $(self.$person = names.of(&self.chat().session, &self.$person).to_owned();)?
                self.$($chat).+.rename(names);
            }
        }
    };
}

in_chat!(MessageKey: chat);
in_chat!(EditKey: message.chat, author);
in_chat!(RevocationKey: message.chat, author);
in_chat!(AnswerKey: message.chat, author);
in_chat!(ReadKey: chat, reader);
in_chat!(ParticipantKey: chat, jid);
in_chat!(JoinRequestKey: chat, jid);
in_chat!(ChatLabelKey: chat);

impl Named for PersonKey {
    fn rename(&mut self, names: &Names) {
        let name = names.of(&self.session, &self.jid).to_owned();
        self.jid = name;
    }
}

impl Named for ChatKey {
    fn rename(&mut self, names: &Names) {
        names.chat(self);
    }
}

impl Changes {
    /// Everybody who is named in a key, or whose ids are told to be one person.
    pub fn people(&self) -> BTreeSet<PersonKey> {
        let mut people = self.named();
        people.extend(self.links.iter().flat_map(Link::ends));
        people
    }

    /// Everybody who is named in a key.
    pub fn named(&self) -> BTreeSet<PersonKey> {
        let Self {
            // These name nobody, or a chat that is among the chats.
            sessions: _,
            calls: _,
            labels: _,
            chat_labels: _,
            own_messages: _,
            // See `people`.
            links: _,
            chats,
            messages,
            edits,
            revocations,
            referrals,
            reactions,
            votes,
            event_responses,
            member_acks,
            reads,
            contacts,
            participants,
            join_requests,
        } = self;
        let mut named: BTreeSet<PersonKey> = contacts.keys().cloned().collect();
        let ids = chats.keys().map(|chat| (&chat.session, chat.chat_id.as_str()));
        named.extend(ids.filter_map(person));
        let authors = |(key, change): (&MessageKey, &MessageChange)| -> Vec<PersonKey> {
            let author = |author| person((&key.chat.session, author));
            change.told.keys().map(String::as_str).filter_map(author).collect()
        };
        named.extend(messages.iter().flat_map(|(key, change)| authors((key, change))));
        named.extend(beside(edits));
        named.extend(beside(revocations));
        named.extend(beside(referrals));
        named.extend(beside(reactions));
        named.extend(beside(votes));
        named.extend(beside(event_responses));
        named.extend(beside(member_acks));
        named.extend(beside(reads));
        named.extend(beside(participants));
        named.extend(beside(join_requests));
        named
    }

    /// The same changes under the names of their people.
    #[must_use]
    pub fn renamed(self, names: &Names) -> Self {
        if names.is_empty() {
            return self;
        }
        let Self {
            sessions,
            chats,
            mut messages,
            own_messages,
            edits,
            revocations,
            referrals,
            reactions,
            votes,
            event_responses,
            member_acks,
            mut calls,
            reads,
            contacts,
            links,
            participants,
            join_requests,
            labels,
            chat_labels,
        } = self;
        for call in calls.values_mut() {
            rename_caller(call, names);
        }
        for (key, message) in &mut messages {
            message.told = told(std::mem::take(&mut message.told), &key.chat.session, names);
        }
        Self {
            sessions,
            chats: renamed(chats, names),
            messages: renamed(messages, names),
            own_messages: renamed(own_messages, names),
            edits: renamed(edits, names),
            revocations: renamed(revocations, names),
            referrals: renamed(referrals, names),
            reactions: renamed(reactions, names),
            votes: renamed(votes, names),
            event_responses: renamed(event_responses, names),
            member_acks: renamed(member_acks, names),
            calls,
            reads: renamed(reads, names),
            contacts: renamed(contacts, names),
            links,
            participants: renamed(participants, names),
            join_requests: renamed(join_requests, names),
            labels,
            chat_labels: renamed(chat_labels, names),
        }
    }
}

/// Whom keys name beside their chats.
fn beside<K: InChat, V>(map: &BTreeMap<K, V>) -> impl Iterator<Item = PersonKey> {
    map.keys().filter_map(|key| person((&key.chat().session, key.person()?)))
}

fn person((session, jid): (&SessionKey, &str)) -> Option<PersonKey> {
    PersonKey::of(session, jid)
}

fn rename_caller(call: &mut CallChange, names: &Names) {
    let details = call.details.as_mut().map(|details| &mut details.value);
    if let Some(chat) = details.and_then(|details| details.chat.as_mut()) {
        chat.rename(names);
    }
}

/// What authors told, under the names that stand for them.
fn told(
    by_author: BTreeMap<String, Told>,
    session: &SessionKey,
    names: &Names,
) -> BTreeMap<String, Told> {
    let mut renamed = BTreeMap::new();
    for (author, told) in by_author {
        let author = names.of(session, &author).to_owned();
        renamed.merge_in(BTreeMap::from([(author, told)]));
    }
    renamed
}

fn renamed<K: Named + Ord, V: Merge>(map: BTreeMap<K, V>, names: &Names) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    for (mut key, value) in map {
        key.rename(names);
        all.merge_in(BTreeMap::from([(key, value)]));
    }
    all
}

//! Puts changes under the names that stand for their people.
//!
//! Called by the store, which knows what links were told. Keys that become equal merge by the same
//! rules as any two tellings, so it makes no difference under which id something was told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AnswerKey, Changes, ChatKey, ChatLabelKey, EditKey, JoinRequestKey, Merge, MessageKey, Names,
    ParticipantKey, PersonKey, ReadKey, RevocationKey,
};

/// A key that names people.
pub trait Named {
    /// Puts the people's names in place of their ids.
    fn rename(&mut self, names: &Names);
}

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

impl Named for MessageKey {
    fn rename(&mut self, names: &Names) {
        names.chat(&mut self.chat);
    }
}

impl Named for EditKey {
    fn rename(&mut self, names: &Names) {
        self.author = names.of(&self.message.chat.session, &self.author).to_owned();
        self.message.rename(names);
    }
}

impl Named for RevocationKey {
    fn rename(&mut self, names: &Names) {
        self.author = names.of(&self.message.chat.session, &self.author).to_owned();
        self.message.rename(names);
    }
}

impl Named for AnswerKey {
    fn rename(&mut self, names: &Names) {
        self.author = names.of(&self.message.chat.session, &self.author).to_owned();
        self.message.rename(names);
    }
}

impl Named for ReadKey {
    fn rename(&mut self, names: &Names) {
        self.reader = names.of(&self.chat.session, &self.reader).to_owned();
        names.chat(&mut self.chat);
    }
}

impl Named for ParticipantKey {
    fn rename(&mut self, names: &Names) {
        self.jid = names.of(&self.chat.session, &self.jid).to_owned();
        names.chat(&mut self.chat);
    }
}

impl Named for JoinRequestKey {
    fn rename(&mut self, names: &Names) {
        self.0.rename(names);
    }
}

impl Named for ChatLabelKey {
    fn rename(&mut self, names: &Names) {
        names.chat(&mut self.chat);
    }
}

impl Changes {
    /// Everybody who is named in a key, or whose ids are told to be one person.
    pub fn people(&self) -> BTreeSet<PersonKey> {
        let mut people = self.named();
        people.extend(self.links.iter().flat_map(super::Link::ends));
        people
    }

    /// Everybody who is named in a key.
    pub fn named(&self) -> BTreeSet<PersonKey> {
        let chats = self.chats.keys().map(|key| (&key.session, &key.chat_id));
        let readers = self.reads.keys().map(|key| (&key.chat.session, &key.reader));
        let members = self.participants.keys().map(|key| (&key.chat.session, &key.jid));
        let asking = self.join_requests.keys().map(|key| (&key.0.chat.session, &key.0.jid));
        let authors = self
            .messages
            .iter()
            .flat_map(|(key, change)| change.told.keys().map(|author| (&key.chat.session, author)));
        let editors = self.edits.keys().map(|key| (&key.message.chat.session, &key.author));
        let revokers = self.revocations.keys().map(|key| (&key.message.chat.session, &key.author));
        let answers = (self.reactions.keys())
            .chain(self.votes.keys())
            .chain(self.event_responses.keys())
            .chain(self.member_acks.keys());
        let answerers = answers.map(|key| (&key.message.chat.session, &key.author));
        let about_messages = authors.chain(editors).chain(revokers).chain(answerers);
        let named = chats.chain(readers).chain(members).chain(asking).chain(about_messages);
        let mut people: BTreeSet<PersonKey> =
            named.filter_map(|(session, jid)| PersonKey::of(session, jid)).collect();
        people.extend(self.contacts.keys().cloned());
        people
    }

    /// The same changes under the names of their people.
    #[must_use]
    pub fn renamed(mut self, names: &Names) -> Self {
        if names.is_empty() {
            return self;
        }
        for call in self.calls.values_mut() {
            let details = call.details.as_mut().map(|details| &mut details.value);
            if let Some(chat) = details.and_then(|details| details.chat.as_mut()) {
                chat.rename(names);
            }
        }
        for (key, message) in &mut self.messages {
            let mut told = BTreeMap::new();
            for (author, telling) in std::mem::take(&mut message.told) {
                let author = names.of(&key.chat.session, &author).to_owned();
                told.merge_in(BTreeMap::from([(author, telling)]));
            }
            message.told = told;
        }
        Self {
            chats: renamed(self.chats, names),
            edits: renamed(self.edits, names),
            revocations: renamed(self.revocations, names),
            reactions: renamed(self.reactions, names),
            votes: renamed(self.votes, names),
            event_responses: renamed(self.event_responses, names),
            member_acks: renamed(self.member_acks, names),
            messages: renamed(self.messages, names),
            reads: renamed(self.reads, names),
            contacts: renamed(self.contacts, names),
            participants: renamed(self.participants, names),
            join_requests: renamed(self.join_requests, names),
            chat_labels: renamed(self.chat_labels, names),
            ..self
        }
    }
}

fn renamed<K: Named + Ord, V: Merge>(map: BTreeMap<K, V>, names: &Names) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    for (mut key, value) in map {
        key.rename(names);
        all.merge_in(BTreeMap::from([(key, value)]));
    }
    all
}

//! Database ids of sessions and chats, and who stands for whom, kept once they were seen committed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use crate::change::{Changes, ChatKey, Named, Names, PersonKey, SessionKey, Version};

/// Above this many entries a map starts again empty; ids are cheap to read again.
const ENTRIES_MAX: usize = 200_000;

/// What is known. Rows are never given another id, so only deletion by hand makes it wrong: then
/// [`Ids::forget`] is called and the batch tried again.
#[derive(Default)]
pub(super) struct Ids {
    known: Mutex<Known>,
}

/// The ids that one transaction works with, or that are known for good.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub(super) sessions: HashMap<SessionKey, i64>,
    pub(super) chats: HashMap<ChatKey, i64>,
    /// Versions of the sessions' identities that were committed.
    pub(super) identities: HashMap<SessionKey, Version>,
    /// People that have a row. Two ids that were one person stay one person.
    pub(super) people: HashMap<PersonKey, Person>,
}

/// What is known of a person.
#[derive(Clone)]
pub(super) struct Person {
    /// The id that stands for the person, or did: it may by now be known under another one.
    pub(super) name: String,
    /// Version of the push name that was committed.
    pub(super) push_name: Version,
}

impl Known {
    /// Which ids are known to have another name.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::default();
        for (key, person) in self.people.iter().filter(|(key, person)| key.jid != person.name) {
            names.insert(key.clone(), person.name.clone());
        }
        names
    }
}

impl Ids {
    /// What is known of the rows that changes name.
    pub(super) fn known_of(&self, changes: &Changes) -> Known {
        let known = self.lock();
        let mut found = Known {
            sessions: pick(&known.sessions, changes.sessions.keys()),
            chats: pick(&known.chats, changes.chats.keys()),
            identities: pick(&known.identities, changes.sessions.keys()),
            people: pick(&known.people, changes.people().iter()),
        };
        let names = found.names();
        let rename = |chat: &ChatKey| {
            let mut chat = chat.clone();
            chat.rename(&names);
            chat
        };
        let conversations: Vec<ChatKey> = changes.chats.keys().map(rename).collect();
        found.chats.extend(pick(&known.chats, conversations.iter()));
        let standing: Vec<PersonKey> = found
            .people
            .iter()
            .map(|(key, person)| PersonKey { jid: person.name.clone(), ..key.clone() })
            .collect();
        found.people.extend(pick(&known.people, standing.iter()));
        found
    }

    /// Keeps what a committed transaction found.
    pub(super) fn learn(&self, found: Known) {
        let mut known = self.lock();
        keep(&mut known.sessions, found.sessions);
        keep(&mut known.chats, found.chats);
        keep(&mut known.identities, found.identities);
        keep(&mut known.people, found.people);
    }

    /// Forgets everything: a row it knows may be gone.
    pub(super) fn forget(&self) {
        *self.lock() = Known::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn pick<'a, K: Clone + Eq + Hash + 'a, V: Clone>(
    known: &HashMap<K, V>,
    keys: impl Iterator<Item = &'a K>,
) -> HashMap<K, V> {
    keys.filter_map(|key| Some((key.clone(), known.get(key)?.clone()))).collect()
}

fn keep<K: Eq + Hash, V>(known: &mut HashMap<K, V>, found: HashMap<K, V>) {
    if known.len() + found.len() > ENTRIES_MAX {
        known.clear();
    }
    known.extend(found);
}

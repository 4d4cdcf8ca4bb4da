//! Database ids of sessions and chats, and who stands for whom, kept once they were seen committed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use super::known::KnownRows;
use crate::change::{Changes, ChatKey, Named, PersonKey};

/// Above this many entries a map starts again empty; ids are cheap to read again.
const ENTRIES_MAX: usize = 200_000;

/// What is known. Rows are never given another id by the server that gave it, so it is wrong after
/// deletion by hand, when [`RowIdCache::forget`] is called and the batch tried again, and after a failover:
/// what is known belongs to an epoch of `SeenServers`, and is nothing in the next one.
#[derive(Default)]
pub(in crate::store) struct RowIdCache {
    known: Mutex<KnownRows>,
}

impl RowIdCache {
    /// What is known of the rows that changes name.
    pub(in crate::store) fn known_of(&self, changes: &Changes, epoch: u64) -> KnownRows {
        let known = self.of_epoch(epoch);
        let mut found = KnownRows {
            epoch,
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
        let canonical_ids: Vec<PersonKey> = found
            .people
            .iter()
            .map(|(key, person)| PersonKey { jid: person.canonical_id.clone(), ..key.clone() })
            .collect();
        found.people.extend(pick(&known.people, canonical_ids.iter()));
        found
    }

    /// Keeps what a committed transaction found.
    pub(in crate::store) fn learn(&self, found: KnownRows) {
        let mut known = self.of_epoch(found.epoch);
        if known.epoch != found.epoch {
            return;
        }
        keep(&mut known.sessions, found.sessions);
        keep(&mut known.chats, found.chats);
        keep(&mut known.identities, found.identities);
        keep(&mut known.people, found.people);
    }

    /// Forgets everything: a row it knows may be gone.
    pub(in crate::store) fn forget(&self) {
        let mut known = self.lock();
        *known = KnownRows { epoch: known.epoch, ..KnownRows::default() };
    }

    /// Nothing, in an epoch that has just begun.
    fn of_epoch(&self, epoch: u64) -> std::sync::MutexGuard<'_, KnownRows> {
        let mut known = self.lock();
        if known.epoch < epoch {
            *known = KnownRows { epoch, ..KnownRows::default() };
        }
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KnownRows> {
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

//! What the rows of merged people hold, to be told again with the changes of the batch.
//!
//! Filled by `move_messages`; `apply/write` adds it to the changes.

use std::collections::{BTreeMap, BTreeSet};

use super::canonical::IdentityMerge;
use crate::change::{Changes, Merge, MessageChange, MessageKey};

/// What merges have set in motion.
#[derive(Default)]
pub(in crate::store) struct RetoldMessages {
    /// What is told again.
    tellings: BTreeMap<MessageKey, MessageChange>,
    /// Messages to be derived anew.
    unresolved: BTreeSet<MessageKey>,
}

impl RetoldMessages {
    /// Adds what is told again to the changes of the batch; returns what is to be derived anew.
    pub(in crate::store) fn add_to(self, changes: &mut Changes) -> BTreeSet<MessageKey> {
        for key in &self.unresolved {
            changes.message(key);
        }
        for (key, telling) in self.tellings {
            changes.message(&key).merge_in(telling);
        }
        self.unresolved
    }

    pub(super) fn add(&mut self, key: MessageKey, telling: MessageChange) {
        self.unresolved.insert(key.clone());
        self.tellings.merge_in(BTreeMap::from([(key, telling)]));
    }

    /// A message that is to be derived anew, and nothing of it told again.
    pub(super) fn touch(&mut self, key: MessageKey) {
        self.unresolved.insert(key);
    }

    /// A further merge: whoever was known by the merged id is now known by the canonical one.
    pub(super) fn follow(&mut self, merge: &IdentityMerge<'_>) {
        let chat = |mut key: MessageKey| {
            if key.chat.session == *merge.session && key.chat.chat_id == merge.merged {
                key.chat.chat_id.clone_from(&merge.canonical);
            }
            key
        };
        for (key, mut telling) in std::mem::take(&mut self.tellings) {
            if key.chat.session == *merge.session
                && let Some(told) = telling.told.remove(&merge.merged)
            {
                telling.told.merge_in(BTreeMap::from([(merge.canonical.clone(), told)]));
            }
            self.tellings.merge_in(BTreeMap::from([(chat(key), telling)]));
        }
        self.unresolved = std::mem::take(&mut self.unresolved).into_iter().map(chat).collect();
    }
}

//! Writes chats: what is told goes to the row under the name that stands for the person; every
//! other name under which a chat was told is a row that points there.

use std::collections::{BTreeMap, BTreeSet};

use super::StoreError;
use super::dialect::Dialect;
use super::fence::Use;
use super::ids::Known;
use super::rows::chat;
use super::select;
use super::upsert::Upsert;
use super::write::Writer;
use crate::change::person::is_lid;
use crate::change::{ChatChange, ChatKey, Named, Names, PersonKey};

impl Writer<'_> {
    /// `told` are the chats as they were told, `chats` the same under the names that stand for
    /// their people. Returns those that are to be told at the end of the transaction: on PostgreSQL,
    /// because all workers write the rows of busy chats. MySQL fences them from the start anyway.
    pub(super) async fn write_chats(
        &self,
        told: Vec<ChatKey>,
        chats: &BTreeMap<ChatKey, ChatChange>,
        names: &Names,
        known: &mut Known,
    ) -> Result<Vec<ChatKey>, StoreError> {
        let others = self.other_names(told, names, known).await?;
        let nothing = ChatChange::default();
        let mut all: BTreeMap<&ChatKey, &ChatChange> = chats.iter().collect();
        for other in others.keys() {
            all.entry(other).or_insert(&nothing);
        }
        let ids = all.keys().filter_map(|key| known.chats.get(*key).copied()).collect();
        self.fence(chat::TABLE, ids, Use::Update).await?;
        let is_told_later = self.dialect == Dialect::Postgres;
        self.add_chats(&all, is_told_later, known).await?;
        self.point_chats(&others, known).await?;
        Ok(if is_told_later { told_of(chats) } else { Vec::new() })
    }

    /// Makes rows for new chats and learns their ids; writes what is told of the others, unless that
    /// comes later.
    async fn add_chats(
        &self,
        all: &BTreeMap<&ChatKey, &ChatChange>,
        is_told_later: bool,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let unknown: Vec<&ChatKey> =
            all.keys().copied().filter(|key| !known.chats.contains_key(key)).collect();
        if is_told_later {
            let rows = unknown.iter().map(|key| (*key, all[key]));
            self.tell_chats(&chat::make(self.dialect), rows, known).await?;
        } else {
            let nothing = ChatChange::default();
            let rows = all.iter().map(|(key, change)| (*key, *change));
            let rows =
                rows.filter(|(key, change)| **change != nothing || !known.chats.contains_key(*key));
            self.tell_chats(&chat::upsert(self.dialect), rows, known).await?;
        }
        known.chats.extend(select::chat_ids(self.db, &unknown, known).await?);
        Ok(())
    }

    async fn point_chats(
        &self,
        others: &BTreeMap<ChatKey, ChatKey>,
        known: &Known,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(others.len());
        for (other, conversation) in others {
            let session = known.session(&other.session)?;
            rows.push(chat::pointer(session, other, known.chat(conversation)?, self.now));
        }
        Ok(chat::upsert_pointers(self.dialect).run(self.db, rows).await?)
    }

    /// Writes what is told of chats, which come in the order of their keys.
    pub(super) async fn tell_chats<'c>(
        &self,
        rules: &Upsert,
        chats: impl Iterator<Item = (&'c ChatKey, &'c ChatChange)>,
        known: &Known,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for (key, change) in chats {
            rows.push(chat::row(known.session(&key.session)?, key, change, self.now));
        }
        Ok(rules.run(self.db, rows).await?)
    }

    /// Rows to be made that point to another one: chats told for the first time under a name that
    /// stands for nobody, and the other phone numbers of chats told for the first time.
    async fn other_names(
        &self,
        told: Vec<ChatKey>,
        names: &Names,
        known: &Known,
    ) -> Result<BTreeMap<ChatKey, ChatKey>, StoreError> {
        let mut others = BTreeMap::new();
        let mut new = BTreeSet::new();
        for key in told.into_iter().filter(|key| !known.chats.contains_key(key)) {
            let mut conversation = key.clone();
            conversation.rename(names);
            if PersonKey::of(&key.session, &conversation.chat_id).is_some() {
                new.insert(conversation.clone());
            }
            if conversation != key {
                others.insert(key, conversation);
            }
        }
        let new: Vec<&ChatKey> = new.iter().collect();
        for (conversation, jid) in select::ids_of_people(self.db, &new, known).await? {
            if !is_lid(&jid) && jid != conversation.chat_id {
                others
                    .insert(ChatKey { chat_id: jid, ..conversation.clone() }, conversation.clone());
            }
        }
        Ok(others)
    }
}

/// Chats of which something is told.
fn told_of(chats: &BTreeMap<ChatKey, ChatChange>) -> Vec<ChatKey> {
    let nothing = ChatChange::default();
    chats.iter().filter(|(_, change)| **change != nothing).map(|(key, _)| key.clone()).collect()
}

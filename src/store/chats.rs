//! Writes chats: what is told goes to the row under the name that stands for the person; every
//! other name under which a chat was told is a row that points there.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};

use super::StoreError;
use super::fence::Use;
use super::ids::Known;
use super::rows::chat;
use super::select;
use super::write::Writer;
use crate::change::person::is_lid;
use crate::change::{ChatChange, ChatKey, Named, Names, PersonKey};

impl Writer<'_> {
    /// `told` are the chats as they were told, `chats` the same under the names that stand for
    /// their people.
    pub(super) async fn write_chats(
        &self,
        told: Vec<ChatKey>,
        chats: &BTreeMap<ChatKey, ChatChange>,
        names: &Names,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let others = self.other_names(told, names, known).await?;
        let nothing = ChatChange::default();
        let mut all: BTreeMap<&ChatKey, &ChatChange> = chats.iter().collect();
        for other in others.keys() {
            all.entry(other).or_insert(&nothing);
        }
        let ids = all.keys().filter_map(|key| known.chats.get(*key).copied()).collect();
        self.fence(chat::TABLE, ids, Use::Update).await?;
        let mut rows = Vec::with_capacity(all.len());
        for (key, change) in &all {
            if !known.chats.contains_key(*key) || **change != nothing {
                rows.push(chat::row(known.session(&key.session)?, key, change, self.now));
            }
        }
        chat::upsert(self.dialect).run(self.db, rows).await?;
        let unknown: Vec<&ChatKey> =
            all.into_keys().filter(|key| !known.chats.contains_key(*key)).collect();
        let found = select::chat_ids(self.db, &unknown, known).await?;
        known.chats.extend(found);
        for (other, conversation) in &others {
            self.point(known.chat(other)?, known.chat(conversation)?).await?;
        }
        Ok(())
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

    async fn point(&self, other: i64, conversation: i64) -> Result<(), StoreError> {
        let merged_into = || Expr::col(Alias::new("merged_into"));
        let mut update = Query::update();
        update
            .table(Alias::new(chat::TABLE))
            .value("merged_into", conversation)
            .and_where(Expr::col(Alias::new("id")).eq(other))
            .cond_where(
                Cond::any().add(merged_into().is_null()).add(merged_into().ne(conversation)),
            );
        self.db.execute(&update).await?;
        Ok(())
    }
}

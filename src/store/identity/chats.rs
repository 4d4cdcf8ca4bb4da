//! Writes chats: what is told goes to the row under the name that stands for the person; every
//! other name under which a chat was told is a row that points there.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

use entity::waha_chats;

use super::known::{KnownRows, chat_ids};
use crate::change::person::is_lid;
use crate::change::{ChatChange, ChatKey, Named, Names, PersonKey};
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::{ParentUse, lock_parents};
use crate::store::sql::select::by_pairs;
use crate::store::tables::chat;

/// `told` are the chats as they were told, `chats` the same under the names that stand for
/// their people. Returns those that are to be told at the end of the transaction: on PostgreSQL,
/// because all workers write the rows of busy chats. MySQL locks them from the start anyway.
pub(in crate::store) async fn write_chats(
    context: &WriteContext<'_>,
    told: Vec<ChatKey>,
    chats: &BTreeMap<ChatKey, ChatChange>,
    names: &Names,
    known: &mut KnownRows,
) -> Result<Vec<ChatKey>, StoreError> {
    let others = other_chats(context, told, names, known).await?;
    let nothing = ChatChange::default();
    let mut all: BTreeMap<&ChatKey, &ChatChange> = chats.iter().collect();
    for other in others.keys() {
        all.entry(other).or_insert(&nothing);
    }
    let ids = all.keys().filter_map(|key| known.chats.get(*key).copied()).collect();
    lock_parents(context.db, chat::TABLE, ids, ParentUse::Update).await?;
    let is_told_later = context.dialect == Dialect::Postgres;
    insert_chats(context, &all, is_told_later, known).await?;
    write_pointers(context, &others, known).await?;
    Ok(if is_told_later { told_of(chats) } else { Vec::new() })
}

/// Makes rows for new chats and learns their ids; writes what is told of the others, unless that
/// comes later.
async fn insert_chats(
    context: &WriteContext<'_>,
    all: &BTreeMap<&ChatKey, &ChatChange>,
    is_told_later: bool,
    known: &mut KnownRows,
) -> Result<(), StoreError> {
    let unknown: Vec<&ChatKey> =
        all.keys().copied().filter(|key| !known.chats.contains_key(key)).collect();
    let rows = chat_rows(context, unknown.iter().map(|key| (*key, all[key])), known)?;
    context.write(&chat::FOLLOWED_NEW, &chat::make(context.dialect), rows).await?;
    if !is_told_later {
        let nothing = ChatChange::default();
        let told = all.iter().filter(|(_, change)| ***change != nothing);
        upsert_chats(context, told.map(|(key, change)| (*key, *change)), known).await?;
    }
    known.chats.extend(chat_ids(context.db, &unknown, known).await?);
    Ok(())
}

async fn write_pointers(
    context: &WriteContext<'_>,
    others: &BTreeMap<ChatKey, ChatKey>,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(others.len());
    for (other, conversation) in others {
        let session = known.session(&other.session)?;
        rows.push(chat::pointer(session, other, known.chat(conversation)?, context.now));
    }
    let upsert = chat::upsert_pointers(context.dialect);
    Ok(context.write(&chat::FOLLOWED_POINTERS, &upsert, rows).await?)
}

/// Writes what is told of chats, which come in the order of their keys.
pub(in crate::store) async fn upsert_chats<'c>(
    context: &WriteContext<'_>,
    chats: impl Iterator<Item = (&'c ChatKey, &'c ChatChange)>,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let rows = chat_rows(context, chats, known)?;
    Ok(context.write(&chat::FOLLOWED, &chat::upsert(context.merging()), rows).await?)
}

fn chat_rows<'c>(
    context: &WriteContext<'_>,
    chats: impl Iterator<Item = (&'c ChatKey, &'c ChatChange)>,
    known: &KnownRows,
) -> Result<Vec<waha_chats::ActiveModel>, StoreError> {
    let row = |(key, change): (&ChatKey, &ChatChange)| {
        Ok(chat::row(known.session(&key.session)?, key, change, context.now))
    };
    chats.map(row).collect()
}

/// Rows to be made that point to another one: chats told for the first time under a name that
/// stands for nobody, and the other phone numbers of chats told for the first time.
async fn other_chats(
    context: &WriteContext<'_>,
    told: Vec<ChatKey>,
    names: &Names,
    known: &KnownRows,
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
    for (conversation, jid) in ids_of_people(context.db, &new, known).await? {
        if !is_lid(&jid) && jid != conversation.chat_id {
            others.insert(ChatKey { chat_id: jid, ..conversation.clone() }, conversation.clone());
        }
    }
    Ok(others)
}

/// Chats of which something is told.
fn told_of(chats: &BTreeMap<ChatKey, ChatChange>) -> Vec<ChatKey> {
    let nothing = ChatChange::default();
    chats.iter().filter(|(_, change)| **change != nothing).map(|(key, _)| key.clone()).collect()
}

/// All ids of the people behind these chats, as far as a phone id stands for them.
async fn ids_of_people<'a>(
    db: &CheckedTransaction,
    chats: &[&'a ChatKey],
    known: &KnownRows,
) -> Result<Vec<(&'a ChatKey, String)>, DbErr> {
    by_pairs(db, "waha_contacts", ("session_id", "phone"), "jid", chats, |key| {
        (known.sessions.get(&key.session).copied().unwrap_or_default(), key.chat_id.clone())
    })
    .await
}

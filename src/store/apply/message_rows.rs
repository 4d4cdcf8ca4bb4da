//! Reads back who owns messages, and whatever rows belong to them, after their upserts.
//!
//! Called by `write` and `conflicts`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::change::{MessageChange, MessageKey};
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::identity::known::KnownRows;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::{KEYS_MAX, of_pairs, read_pair};

/// Who owns a message's row.
pub(super) struct MessageOwner {
    pub(super) author: String,
    /// Whether anything but the owner's tellings decides about it.
    pub(super) is_amended: bool,
}

/// What [`owners`] reads.
const OWNER: [&str; 4] = [CHAT_AND_ID.0, CHAT_AND_ID.1, "author", "is_amended"];

/// Who owns the rows of these messages; stubs have no owner.
pub(super) async fn message_owners(
    db: &CheckedTransaction,
    messages: &[&MessageKey],
    known: &KnownRows,
) -> Result<HashMap<MessageKey, MessageOwner>, StoreError> {
    owners(rows_of(db, "waha_messages", &OWNER, messages, known).await?)
}

/// Rows by the messages that they belong to.
pub(super) fn by_message<'a>(
    rows: Vec<QueryResult>,
    messages: &'a BTreeMap<MessageKey, MessageChange>,
    known: &KnownRows,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, StoreError> {
    let keys: Vec<&MessageKey> = messages.keys().collect();
    let asked = by_row(&keys, known);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(asked.get(&read_pair(&row, CHAT_AND_ID)?).map(|key| (*key, row)));
    }
    Ok(found)
}

/// The messages of which some author told.
pub(super) fn told(messages: &BTreeMap<MessageKey, MessageChange>) -> Vec<&MessageKey> {
    messages.iter().filter(|(_, change)| !change.told.is_empty()).map(|(key, _)| key).collect()
}

/// Who owns these rows.
pub(super) fn owners<'a>(
    rows: impl IntoIterator<Item = (&'a MessageKey, QueryResult)>,
) -> Result<HashMap<MessageKey, MessageOwner>, StoreError> {
    let mut owners = HashMap::new();
    for (key, row) in rows {
        if let Some(author) = row.try_get::<Option<String>>("", "author")? {
            owners.insert(
                key.clone(),
                MessageOwner { author, is_amended: row.try_get("", "is_amended")? },
            );
        }
    }
    Ok(owners)
}

/// All rows of a table that belong to these messages.
pub(super) async fn of_messages<'a>(
    db: &CheckedTransaction,
    table: &'static str,
    keys: &'a BTreeSet<MessageKey>,
    known: &KnownRows,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, StoreError> {
    let keys: Vec<&MessageKey> = keys.iter().collect();
    Ok(rows_of(db, table, &["*"], &keys, known).await?)
}

/// How a message is named in every table that knows it.
pub(super) const CHAT_AND_ID: (&str, &str) = ("chat_id", "message_id");

/// Columns of the rows of a table that belong to these messages.
pub(super) async fn rows_of<'a>(
    db: &CheckedTransaction,
    table: &'static str,
    columns: &[&str],
    keys: &[&'a MessageKey],
    known: &KnownRows,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, DbErr> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let asked = by_row(keys, known);
        let select = of_pairs(
            Dialect::of(db.get_database_backend()),
            table,
            CHAT_AND_ID,
            columns,
            asked.keys(),
        );
        for row in db.query_all_raw(select).await? {
            if let Some(key) = asked.get(&read_pair(&row, CHAT_AND_ID)?) {
                found.push((*key, row));
            }
        }
    }
    Ok(found)
}

/// Messages by what their rows are known by.
fn by_row<'a>(
    keys: &[&'a MessageKey],
    known: &KnownRows,
) -> HashMap<(i64, String), &'a MessageKey> {
    let row = |key: &&'a MessageKey| {
        let chat = known.chats.get(&key.chat).copied().unwrap_or_default();
        ((chat, key.message_id.clone()), *key)
    };
    keys.iter().map(row).collect()
}

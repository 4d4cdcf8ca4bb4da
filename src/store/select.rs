//! Reads back what the upserts of a transaction wrote: the ids of rows, and who owns a message.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{
    Alias, Asterisk, Cond, Expr, ExprTrait, IntoColumnRef, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, TryGetable};

use super::StoreError;
use super::ids::Known;
use crate::change::{ChatKey, MessageChange, MessageKey, SessionKey};

/// Keys per statement: far below any limit of parameters.
const KEYS_MAX: usize = 5_000;

pub(super) async fn session_ids(
    db: &DatabaseTransaction,
    keys: &[&SessionKey],
) -> Result<HashMap<SessionKey, i64>, DbErr> {
    let found = by_pairs(db, "waha_sessions", ("source", "name"), "id", keys, |key| {
        (key.source.clone(), key.name.clone())
    });
    Ok(found.await?.into_iter().map(|(key, id)| (key.clone(), id)).collect())
}

pub(super) async fn chat_ids(
    db: &DatabaseTransaction,
    keys: &[&ChatKey],
    known: &Known,
) -> Result<HashMap<ChatKey, i64>, DbErr> {
    let found = by_pairs(db, "waha_chats", ("session_id", "chat_id"), "id", keys, |key| {
        (known.sessions.get(&key.session).copied().unwrap_or_default(), key.chat_id.clone())
    });
    Ok(found.await?.into_iter().map(|(key, id)| (key.clone(), id)).collect())
}

/// All ids of the people behind these chats, as far as a phone id stands for them.
pub(super) async fn ids_of_people<'a>(
    db: &DatabaseTransaction,
    chats: &[&'a ChatKey],
    known: &Known,
) -> Result<Vec<(&'a ChatKey, String)>, DbErr> {
    by_pairs(db, "waha_contacts", ("session_id", "phone"), "jid", chats, |key| {
        (known.sessions.get(&key.session).copied().unwrap_or_default(), key.chat_id.clone())
    })
    .await
}

/// Who owns a message's row.
pub(super) struct Owner {
    pub(super) author: String,
    /// Whether anything but the owner's tellings decides about it.
    pub(super) is_amended: bool,
}

/// Who owns the rows of the messages that were told; stubs have no owner.
pub(super) async fn message_owners(
    db: &DatabaseTransaction,
    messages: &BTreeMap<MessageKey, MessageChange>,
    known: &Known,
) -> Result<HashMap<MessageKey, Owner>, StoreError> {
    let told: Vec<&MessageKey> =
        messages.iter().filter(|(_, change)| !change.told.is_empty()).map(|(key, _)| key).collect();
    let columns = [CHAT_AND_ID.0, CHAT_AND_ID.1, "author", "is_amended"].map(Alias::new);
    let mut owners = HashMap::with_capacity(told.len());
    for (key, row) in rows(db, "waha_messages", &columns, &told, known).await? {
        if let Some(author) = row.try_get::<Option<String>>("", "author")? {
            owners
                .insert(key.clone(), Owner { author, is_amended: row.try_get("", "is_amended")? });
        }
    }
    Ok(owners)
}

/// All rows of a table that belong to these messages.
pub(super) async fn of_messages<'a>(
    db: &DatabaseTransaction,
    table: &'static str,
    keys: &'a BTreeSet<MessageKey>,
    known: &Known,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, StoreError> {
    let keys: Vec<&MessageKey> = keys.iter().collect();
    Ok(rows(db, table, &[Asterisk], &keys, known).await?)
}

/// How a message is named in every table that knows it.
const CHAT_AND_ID: (&str, &str) = ("chat_id", "message_id");

async fn rows<'a, C: IntoColumnRef + Clone>(
    db: &DatabaseTransaction,
    table: &'static str,
    columns: &[C],
    keys: &[&'a MessageKey],
    known: &Known,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, DbErr> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let pair = |key: &&'a MessageKey| {
            let chat = known.chats.get(&key.chat).copied().unwrap_or_default();
            ((chat, key.message_id.clone()), *key)
        };
        let asked: HashMap<(i64, String), &'a MessageKey> = keys.iter().map(pair).collect();
        for row in db.query_all(&select(table, CHAT_AND_ID, columns, asked.keys())).await? {
            if let Some(key) = asked.get(&read_pair(&row, CHAT_AND_ID)?) {
                found.push((*key, row));
            }
        }
    }
    Ok(found)
}

/// Reads `column` of the rows with these pairs of (`first`, `second`). Grouped by the first, so
/// that every database walks the unique index.
async fn by_pairs<'a, K, A, T>(
    db: &DatabaseTransaction,
    table: &'static str,
    names: (&'static str, &'static str),
    column: &'static str,
    keys: &[&'a K],
    pair: impl Fn(&K) -> (A, String),
) -> Result<Vec<(&'a K, T)>, DbErr>
where
    A: Clone + Eq + Ord + std::hash::Hash + Into<Expr> + TryGetable,
    T: TryGetable,
{
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let asked: HashMap<(A, String), &'a K> = keys.iter().map(|key| (pair(key), *key)).collect();
        let columns = [names.0, names.1, column].map(Alias::new);
        for row in db.query_all(&select(table, names, &columns, asked.keys())).await? {
            if let Some(key) = asked.get(&read_pair(&row, names)?) {
                found.push((*key, row.try_get("", column)?));
            }
        }
    }
    Ok(found)
}

fn read_pair<A: TryGetable>(row: &QueryResult, names: (&str, &str)) -> Result<(A, String), DbErr> {
    Ok((row.try_get("", names.0)?, row.try_get("", names.1)?))
}

fn select<'a, A: Clone + Ord + Into<Expr> + 'a, C: IntoColumnRef + Clone>(
    table: &'static str,
    names: (&'static str, &'static str),
    columns: &[C],
    pairs: impl Iterator<Item = &'a (A, String)>,
) -> SelectStatement {
    let mut groups: BTreeMap<A, Vec<&str>> = BTreeMap::new();
    for (first, second) in pairs {
        groups.entry(first.clone()).or_default().push(second);
    }
    let mut any = Cond::any();
    for (first, seconds) in groups {
        let first = Expr::col(Alias::new(names.0)).eq(first);
        any = any.add(Cond::all().add(first).add(Expr::col(Alias::new(names.1)).is_in(seconds)));
    }
    let mut select = Query::select();
    select.columns(columns.iter().cloned()).from(Alias::new(table)).cond_where(any);
    select
}

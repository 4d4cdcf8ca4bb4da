//! Reads back what the upserts of a transaction wrote: the ids of rows, and who owns a message.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, TryGetable, Value};

use super::StoreError;
use super::arrays::{arrays, unnest};
use super::dialect::Dialect;
use super::ids::Known;
use super::transaction::CheckedTransaction;
use crate::change::{ChatKey, MessageChange, MessageKey, SessionKey};

/// Keys per statement: far below any limit of parameters.
const KEYS_MAX: usize = 5_000;

pub(super) async fn session_ids(
    db: &CheckedTransaction,
    keys: &[&SessionKey],
) -> Result<HashMap<SessionKey, i64>, DbErr> {
    let found = by_pairs(db, "waha_sessions", ("source", "name"), "id", keys, |key| {
        (key.source.to_string(), key.name.to_string())
    });
    Ok(found.await?.into_iter().map(|(key, id)| (key.clone(), id)).collect())
}

pub(super) async fn chat_ids(
    db: &CheckedTransaction,
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
    db: &CheckedTransaction,
    chats: &[&'a ChatKey],
    known: &Known,
) -> Result<Vec<(&'a ChatKey, String)>, DbErr> {
    by_pairs(db, "waha_contacts", ("session_id", "phone"), "jid", chats, |key| {
        (known.sessions.get(&key.session).copied().unwrap_or_default(), key.chat_id.clone())
    })
    .await
}

/// Ids of people by the name that stands for them, each with the LID that it was told.
pub(super) async fn members(
    db: &CheckedTransaction,
    names: &[(i64, String)],
) -> Result<Vec<QueryResult>, DbErr> {
    let mut members = Vec::with_capacity(2 * names.len());
    for names in names.chunks(KEYS_MAX) {
        let columns = ["session_id", "phone", "jid", "lid"];
        let pair = ("session_id", "phone");
        let select = of_pairs(dialect(db), "waha_contacts", pair, &columns, names.iter());
        members.extend(db.query_all_raw(select).await?);
    }
    Ok(members)
}

/// Who owns a message's row.
pub(super) struct Owner {
    pub(super) author: String,
    /// Whether anything but the owner's tellings decides about it.
    pub(super) is_amended: bool,
}

/// What [`owners`] reads.
pub(super) const OWNER: [&str; 4] = [CHAT_AND_ID.0, CHAT_AND_ID.1, "author", "is_amended"];

/// Who owns the rows of the messages that were told; stubs have no owner.
pub(super) async fn message_owners(
    db: &CheckedTransaction,
    messages: &BTreeMap<MessageKey, MessageChange>,
    known: &Known,
) -> Result<HashMap<MessageKey, Owner>, StoreError> {
    let found = rows(db, "waha_messages", &OWNER, &told(messages), known).await?;
    owners(found.into_iter())
}

/// The same, of rows that an upsert returned.
pub(super) fn returned_owners(
    rows: Vec<QueryResult>,
    messages: &BTreeMap<MessageKey, MessageChange>,
    known: &Known,
) -> Result<HashMap<MessageKey, Owner>, StoreError> {
    let told = told(messages);
    let asked = by_row(&told, known);
    let mut found = Vec::with_capacity(told.len());
    for row in rows {
        found.extend(asked.get(&read_pair(&row, CHAT_AND_ID)?).map(|key| (*key, row)));
    }
    owners(found.into_iter())
}

fn told(messages: &BTreeMap<MessageKey, MessageChange>) -> Vec<&MessageKey> {
    messages.iter().filter(|(_, change)| !change.told.is_empty()).map(|(key, _)| key).collect()
}

fn owners<'a>(
    rows: impl Iterator<Item = (&'a MessageKey, QueryResult)>,
) -> Result<HashMap<MessageKey, Owner>, StoreError> {
    let mut owners = HashMap::new();
    for (key, row) in rows {
        if let Some(author) = row.try_get::<Option<String>>("", "author")? {
            owners
                .insert(key.clone(), Owner { author, is_amended: row.try_get("", "is_amended")? });
        }
    }
    Ok(owners)
}

/// All rows of a table that belong to these messages.
pub(super) async fn of_messages<'a>(
    db: &CheckedTransaction,
    table: &'static str,
    keys: &'a BTreeSet<MessageKey>,
    known: &Known,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, StoreError> {
    let keys: Vec<&MessageKey> = keys.iter().collect();
    Ok(rows(db, table, &["*"], &keys, known).await?)
}

/// How a message is named in every table that knows it.
const CHAT_AND_ID: (&str, &str) = ("chat_id", "message_id");

async fn rows<'a>(
    db: &CheckedTransaction,
    table: &'static str,
    columns: &[&str],
    keys: &[&'a MessageKey],
    known: &Known,
) -> Result<Vec<(&'a MessageKey, QueryResult)>, DbErr> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let asked = by_row(keys, known);
        let select = of_pairs(dialect(db), table, CHAT_AND_ID, columns, asked.keys());
        for row in db.query_all_raw(select).await? {
            if let Some(key) = asked.get(&read_pair(&row, CHAT_AND_ID)?) {
                found.push((*key, row));
            }
        }
    }
    Ok(found)
}

/// Messages by what their rows are known by.
fn by_row<'a>(keys: &[&'a MessageKey], known: &Known) -> HashMap<(i64, String), &'a MessageKey> {
    let row = |key: &&'a MessageKey| {
        let chat = known.chats.get(&key.chat).copied().unwrap_or_default();
        ((chat, key.message_id.clone()), *key)
    };
    keys.iter().map(row).collect()
}

/// Reads `column` of the rows with these pairs of (`first`, `second`).
async fn by_pairs<'a, K, A, T>(
    db: &CheckedTransaction,
    table: &'static str,
    names: (&'static str, &'static str),
    column: &'static str,
    keys: &[&'a K],
    pair: impl Fn(&K) -> (A, String),
) -> Result<Vec<(&'a K, T)>, DbErr>
where
    A: Clone + Eq + Ord + std::hash::Hash + Into<Value> + TryGetable,
    T: TryGetable,
{
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let asked: HashMap<(A, String), &'a K> = keys.iter().map(|key| (pair(key), *key)).collect();
        let columns = [names.0, names.1, column];
        let select = of_pairs(dialect(db), table, names, &columns, asked.keys());
        for row in db.query_all_raw(select).await? {
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

fn dialect(db: &CheckedTransaction) -> Dialect {
    Dialect::of(db.get_database_backend())
}

/// Selects columns of the rows with these pairs of values in the columns `names`.
pub(super) fn of_pairs<'a, A: Clone + Ord + Into<Value> + 'a>(
    dialect: Dialect,
    table: &'static str,
    names: (&'static str, &'static str),
    columns: &[&str],
    pairs: impl Iterator<Item = &'a (A, String)>,
) -> Statement {
    let columns = columns.iter().map(|column| format!("{table}.{column}"));
    let columns = columns.collect::<Vec<String>>().join(", ");
    if dialect == Dialect::Postgres {
        let (first, second) = names;
        let sql = format!(
            "SELECT {columns} FROM {} JOIN {table} ON {table}.{first} = r.c0 AND {table}.{second} = r.c1",
            unnest(2)
        );
        let pairs = pairs.map(|(one, other)| vec![one.clone().into(), other.as_str().into()]);
        return Statement::from_sql_and_values(dialect.backend(), sql, arrays(pairs.collect()));
    }
    let mut select = Query::select();
    select.expr(Expr::cust(columns)).from(Alias::new(table)).cond_where(any_of(names, pairs));
    dialect.backend().build(&select)
}

/// Grouped by the first, so that the databases walk the unique index.
fn any_of<'a, A: Clone + Ord + Into<Value> + 'a>(
    names: (&'static str, &'static str),
    pairs: impl Iterator<Item = &'a (A, String)>,
) -> Cond {
    let mut groups: BTreeMap<A, Vec<&str>> = BTreeMap::new();
    for (first, second) in pairs {
        groups.entry(first.clone()).or_default().push(second);
    }
    groups.into_iter().fold(Cond::any(), |any, (first, seconds)| {
        let first = Expr::col(Alias::new(names.0)).eq(Expr::val(first));
        any.add(Cond::all().add(first).add(Expr::col(Alias::new(names.1)).is_in(seconds)))
    })
}

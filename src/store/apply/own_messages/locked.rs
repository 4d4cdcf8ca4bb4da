//! The rows of `waha_own_messages`, merged under locks.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::OwnMessages;
use crate::change::Merge;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::sql::select::{KEYS_MAX, of_pairs, read_pair};
use crate::store::tables::own_message::{self, OwnMessage};

/// The natural key.
const KEY: (&str, &str) = ("session_id", "message_id");

/// An own message that is locked.
pub(super) struct LockedMessage {
    /// As it was stored.
    pub(super) before: OwnMessage,
    /// As it is.
    pub(super) now: OwnMessage,
}

/// Adds what is told; nobody else changes these rows until the transaction ends.
pub(super) async fn merge_and_lock(
    context: &WriteContext<'_>,
    told: &OwnMessages,
) -> Result<HashMap<(i64, String), LockedMessage>, StoreError> {
    let rows = told.iter().map(|((session, id), own)| own.row(*session, id, context.now));
    own_message::make(context.dialect).run(context.db, rows.collect()).await?;
    let mut stored = lock(context, told).await?;
    let (mut all, mut news) = (HashMap::with_capacity(told.len()), Vec::new());
    for (key, own) in told {
        let before = stored.remove(key).ok_or(Vanished(own_message::TABLE))?;
        let mut now = before.clone();
        now.merge_in(own.clone());
        if now != before {
            news.push(now.row(key.0, &key.1, context.now));
        }
        all.insert(key.clone(), LockedMessage { before, now });
    }
    own_message::replace(context.dialect).run(context.db, news).await?;
    Ok(all)
}

async fn lock(
    context: &WriteContext<'_>,
    told: &OwnMessages,
) -> Result<HashMap<(i64, String), OwnMessage>, StoreError> {
    let mut stored = HashMap::with_capacity(told.len());
    let keys: Vec<&(i64, String)> = told.keys().collect();
    for keys in keys.chunks(KEYS_MAX) {
        for row in context.db.query_all_raw(select(context, keys)).await? {
            stored.insert(key_of(&row)?, OwnMessage::read(&row)?);
        }
    }
    Ok(stored)
}

fn key_of(row: &QueryResult) -> Result<(i64, String), StoreError> {
    Ok(read_pair(row, KEY)?)
}

/// In the order in which rows are inserted: byte by byte, whatever the database's own order is. Order and lock
/// are text behind a constant statement (`sql/select`): sea-query has no collation within an order.
fn select(context: &WriteContext<'_>, keys: &[&(i64, String)]) -> Statement {
    let (table, columns) = (own_message::TABLE, &own_message::COLUMNS);
    let mut select = of_pairs(context.dialect, table, KEY, columns, keys.iter().copied());
    select.sql.push_str(match context.dialect {
        Dialect::Postgres => {
            " ORDER BY session_id, message_id COLLATE \"C\" FOR UPDATE OF waha_own_messages"
        }
        Dialect::MySql => " ORDER BY session_id, message_id FOR UPDATE",
        Dialect::Sqlite => "",
    });
    select
}

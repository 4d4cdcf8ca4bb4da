//! Gives the changes of a transaction their positions: its last act before the commit.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use entity::{waha_changes, waha_chats, waha_feed};

use super::log::{ChangeLog, ChangedRow};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// The key of the counter's row.
const COUNTER: i64 = 1;

/// Writes what was gathered under the next positions. Nothing else may be done before the commit.
pub(in crate::store) async fn append(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    log: &ChangeLog,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let changed = log.take();
    if changed.is_empty() {
        return Ok(());
    }
    let sessions = sessions_of_chats(db, changed.values()).await?;
    let count = i64::try_from(changed.len()).unwrap_or(i64::MAX);
    let first = next_positions(db, count).await? - count + 1;
    let row = |(position, ((_, row_id), changed)): (i64, ((&str, i64), ChangedRow))| {
        let chat_session = changed.chat_id.and_then(|chat| sessions.get(&chat));
        waha_changes::ActiveModel {
            position: Set(position),
            kind: Set(changed.kind.name().to_owned()),
            session_id: Set(changed.session_id.or(chat_session.copied()).unwrap_or_default()),
            chat_id: Set(changed.chat_id),
            row_id: Set(row_id),
            natural_key: Set(changed.natural_key),
            changed_at: Set(now),
        }
    };
    let rows = (first..).zip(changed).map(row).collect();
    let columns = &[waha_changes::Column::Position];
    Ok(Upsert::<waha_changes::Entity>::new(dialect, columns).run(db, rows).await?)
}

/// Adds to the counter; returns the last of the positions that are this transaction's.
async fn next_positions(db: &impl ConnectionTrait, count: i64) -> Result<i64, StoreError> {
    use waha_feed::{Column, Entity};
    let further = Expr::col(Column::Position).add(count);
    let counter = || Column::Id.eq(COUNTER);
    Entity::update_many().col_expr(Column::Position, further).filter(counter()).exec(db).await?;
    let select = Entity::find().select_only().column(Column::Position).filter(counter());
    let last: Option<i64> = select.into_tuple().one(db).await?;
    last.ok_or(StoreError::Vanished("waha_feed"))
}

/// Sessions of the chats of rows that don't know theirs.
async fn sessions_of_chats(
    db: &impl ConnectionTrait,
    changed: impl Iterator<Item = &ChangedRow>,
) -> Result<HashMap<i64, i64>, StoreError> {
    let unknown = changed.filter(|row| row.session_id.is_none()).filter_map(|row| row.chat_id);
    let mut chats: Vec<i64> = unknown.collect();
    chats.sort_unstable();
    chats.dedup();
    if chats.is_empty() {
        return Ok(HashMap::new());
    }
    let columns = [waha_chats::Column::Id, waha_chats::Column::SessionId];
    let select = waha_chats::Entity::find().select_only().columns(columns);
    let which = waha_chats::Column::Id.is_in(chats);
    let found: Vec<(i64, i64)> = select.filter(which).into_tuple().all(db).await?;
    Ok(found.into_iter().collect())
}

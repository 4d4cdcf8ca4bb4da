//! Gives the changes of a transaction their positions: its last act before the commit.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Func, FunctionCall};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use entity::{waha_changes, waha_chats, waha_feed};

use super::history::{FeedPlace, SeenFeed, renew_epoch};
use super::log::{ChangeLog, ChangedRow};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// The key of the counter's row.
const COUNTER: i64 = 1;
/// What is listened to on PostgreSQL.
const CHANNEL: &str = "waha_changes";

/// Those who follow the feed of a process' commits.
#[derive(Debug, Default)]
pub(in crate::store) struct Followers {
    /// Whether PostgreSQL wakes them; false on any other database.
    pub(in crate::store) notifies: bool,
    /// What they may have read.
    pub(in crate::store) seen: SeenFeed,
}

/// Writes what was gathered under the next positions; returns the last of them. Nothing else may be done before
/// the commit.
pub(in crate::store) async fn append(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    log: &ChangeLog,
    now: DateTime<Utc>,
    followers: &Followers,
) -> Result<Option<FeedPlace>, StoreError> {
    let changed = log.take();
    if changed.is_empty() {
        return Ok(None);
    }
    let sessions = sessions_of_chats(db, changed.values()).await?;
    let count = i64::try_from(changed.len()).unwrap_or(i64::MAX);
    let mut last = next_positions(db, count, followers.notifies).await?;
    let before = FeedPlace { position: last.position - count, ..last.clone() };
    if followers.seen.is_ahead_of(&before) {
        last.epoch = renew_epoch(db, &last.epoch, now).await?;
        tracing::warn!(
            position = before.position,
            "the database has lost its newest history: the feed has a new epoch, whoever follows it is told so"
        );
    }
    let rows = rows(changed, &sessions, before.position + 1, now);
    let columns = &[waha_changes::Column::Position];
    Upsert::<waha_changes::Entity>::new(dialect, columns).run(db, rows).await?;
    Ok(Some(last))
}

/// Changes under the positions from the first one on.
fn rows(
    changed: BTreeMap<(&str, i64), ChangedRow>,
    sessions: &HashMap<i64, i64>,
    first: i64,
    now: DateTime<Utc>,
) -> Vec<waha_changes::ActiveModel> {
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
    (first..).zip(changed).map(row).collect()
}

/// Adds to the counter; returns the last of the positions that are this transaction's. In the same statement
/// PostgreSQL is asked to say it to those who listen, once this is committed.
async fn next_positions(
    db: &impl ConnectionTrait,
    count: i64,
    notifies: bool,
) -> Result<FeedPlace, StoreError> {
    use waha_feed::{Column, Entity};
    let further = Expr::col(Column::Position).add(count);
    let counter = || Column::Id.eq(COUNTER);
    Entity::update_many().col_expr(Column::Position, further).filter(counter()).exec(db).await?;
    let select = Entity::find().select_only().columns([Column::Epoch, Column::Position]);
    let select = if notifies { select.expr_as(notify(), "notified") } else { select };
    let last: Option<(String, i64)> = select.filter(counter()).into_tuple().one(db).await?;
    let (epoch, position) = last.ok_or(StoreError::Vanished("waha_feed"))?;
    Ok(FeedPlace { epoch, position })
}

fn notify() -> FunctionCall {
    let position = Expr::col(waha_feed::Column::Position).cast_as("text");
    Func::cust("pg_notify").arg(CHANNEL).arg(position)
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

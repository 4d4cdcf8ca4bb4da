//! Deletes old messages with what hangs on them, old calls, and old states of sessions; tells the feed.
//!
//! A message is as old as its row knows it: since its content was first stored, which no sender can choose. It is
//! kept, however old, while it is the last one of its conversation, or while a younger row points to it. Its file
//! stays where it is, with an attachment that names no message any more. Of a session's states the newest is kept.
//!
//! What is told of a message after it went makes a stub, as if it had never been told; and `webhooks renormalize`
//! brings it back from a body that is still kept.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
};

use entity::{waha_calls, waha_chats, waha_messages, waha_session_statuses};

use super::pass::{AgedPass, AgedRow, QUIET_ROWS};
use super::sources::OfSources;
use crate::store::Store;
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::operations::hold::hold;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::tables::{call, message, status};

const OWN_MESSAGES: &str = "waha_own_messages";
/// What is kept of messages by conversation and bare id.
const HANGING: [&str; 8] = [
    "waha_reactions",
    "waha_poll_votes",
    "waha_event_responses",
    "waha_message_acks",
    "waha_message_edits",
    "waha_message_revocations",
    "waha_message_claims",
    "waha_message_referrals",
];

/// Every table whose rows go with messages.
pub const MESSAGE_TABLES: [&str; 10] = [
    "waha_messages",
    OWN_MESSAGES,
    HANGING[0],
    HANGING[1],
    HANGING[2],
    HANGING[3],
    HANGING[4],
    HANGING[5],
    HANGING[6],
    HANGING[7],
];

/// Of what rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgedTable {
    /// Messages, and what hangs on them.
    Messages,
    /// Calls.
    Calls,
    /// States that sessions were in.
    Statuses,
}

impl AgedTable {
    /// The name of its cursor.
    fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Statuses => "statuses",
        }
    }

    fn followed(self) -> (&'static FollowedTable, ChangeKind) {
        match self {
            Self::Messages => (&message::FOLLOWED, ChangeKind::MessageDeleted),
            Self::Calls => (&call::FOLLOWED, ChangeKind::CallDeleted),
            Self::Statuses => (&status::FOLLOWED, ChangeKind::SessionStatusDeleted),
        }
    }

    /// Since when a row is kept.
    fn since(self) -> SimpleExpr {
        match self {
            Self::Messages => since_stored(),
            Self::Calls => Expr::col((waha_calls::Entity, waha_calls::Column::CreatedAt)),
            Self::Statuses => {
                use waha_session_statuses::{Column, Entity};
                Expr::col((Entity, Column::CreatedAt))
            }
        }
    }

    /// What holds of a row that may go.
    fn may_go(self, before: DateTime<Utc>) -> Cond {
        match self {
            Self::Messages => is_not_referred(before),
            Self::Calls => Cond::all(),
            Self::Statuses => has_later(),
        }
    }

    /// What is asked of a row beside what the feed needs.
    fn also_read(self) -> Option<&'static str> {
        match self {
            Self::Messages => Some("from_me"),
            Self::Calls | Self::Statuses => None,
        }
    }

    /// In which order workers lock its rows.
    fn key(self) -> [&'static str; 2] {
        match self {
            Self::Messages => ["chat_id", "message_id"],
            Self::Calls => ["session_id", "call_id"],
            Self::Statuses => ["session_id", "at"],
        }
    }
}

/// When the content of a message was first stored; of a stub, when its row was made.
pub(super) fn since_stored() -> SimpleExpr {
    use waha_messages::{Column, Entity};
    let times = [Column::StoredAt, Column::CreatedAt].map(|it| Expr::col((Entity, it)));
    Func::coalesce(times).into()
}

/// The session was in another state afterwards.
pub(super) fn has_later() -> Cond {
    use waha_session_statuses::{Column, Entity};
    let later = |column: &'static str| Expr::col((Alias::new("later"), Alias::new(column)));
    let status = |column| Expr::col((Entity, column));
    let mut newer = Query::select();
    newer
        .expr(Expr::val(1))
        .from_as(Entity, Alias::new("later"))
        .and_where(later("session_id").eq(status(Column::SessionId)))
        .and_where(later("at").gt(status(Column::At)));
    Cond::all().add(Expr::exists(newer))
}

/// Nothing that stays points to the message.
pub(super) fn is_not_referred(before: DateTime<Utc>) -> Cond {
    Cond::all().add(Expr::exists(last_of_chat()).not()).add(Expr::exists(pointer(before)).not())
}

fn last_of_chat() -> SelectStatement {
    use waha_chats::{Column, Entity};
    let message = |column| Expr::col((waha_messages::Entity, column));
    let mut chat = Query::select();
    chat.expr(Expr::val(1))
        .from(Entity)
        .and_where(Expr::col((Entity, Column::Id)).eq(message(waha_messages::Column::ChatId)))
        .and_where(
            Expr::col((Entity, Column::LastMessageId))
                .eq(message(waha_messages::Column::MessageId)),
        );
    chat
}

/// A row of another name of the conversation that gave way to the message, and is younger.
fn pointer(before: DateTime<Utc>) -> SelectStatement {
    let other = |column: &'static str| Expr::col((Alias::new("other"), Alias::new(column)));
    let message = Expr::col((waha_messages::Entity, waha_messages::Column::Id));
    let session = Expr::col((waha_messages::Entity, waha_messages::Column::SessionId));
    let since = Func::coalesce([other("stored_at"), other("created_at")]);
    let mut pointer = Query::select();
    pointer
        .expr(Expr::val(1))
        .from_as(waha_messages::Entity, Alias::new("other"))
        .and_where(other("session_id").eq(session))
        .and_where(other("merged_into").eq(message))
        .and_where(Expr::expr(since).gte(before));
    pointer
}

impl Store {
    /// Begins a pass for these sources where the last one got to; once a week at the beginning, for those that
    /// were kept.
    pub async fn begin_aged_pass(
        &self,
        table: AgedTable,
        sources: OfSources,
    ) -> Result<AgedPass, StoreError> {
        self.begin_pass(table.name(), sources).await
    }

    /// Looks at the next `rows_max` rows, and deletes those of the pass's sources that are from before `before`
    /// and may go. Returns whether the pass goes on.
    pub async fn drop_aged(
        &self,
        table: AgedTable,
        pass: &mut AgedPass,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<bool, StoreError> {
        let rows = self.aged_after(table, pass, rows_max).await?;
        let is_end = (rows.len() as u64) < rows_max;
        let ids = pass.look_at(&rows, before, self.clock.now());
        if !ids.is_empty() {
            pass.forgotten += hold(|| self.delete_aged(table, &ids, before)).await?;
        }
        let goes_on = !is_end && pass.quiet < QUIET_ROWS;
        let end = (!goes_on).then_some(pass.after);
        self.keep_pass(pass, end).await?;
        Ok(goes_on)
    }

    async fn aged_after(
        &self,
        table: AgedTable,
        pass: &AgedPass,
        rows_max: u64,
    ) -> Result<Vec<AgedRow>, StoreError> {
        use waha_calls::Column as Call;
        use waha_messages::Column as Message;
        use waha_session_statuses::Column as Status;
        let (db, after) = (&self.pool().db, pass.after);
        let since = table.since();
        let rows: Vec<(i64, i64, DateTime<Utc>)> = match table {
            AgedTable::Messages => {
                let rows = waha_messages::Entity::find().select_only();
                let rows =
                    rows.columns([Message::Id, Message::SessionId]).column_as(since, "since");
                let rows = rows.filter(Message::Id.gt(after)).order_by_asc(Message::Id);
                rows.limit(rows_max).into_tuple().all(db).await?
            }
            AgedTable::Calls => {
                let rows = waha_calls::Entity::find().select_only();
                let rows = rows.columns([Call::Id, Call::SessionId]).column_as(since, "since");
                let rows = rows.filter(Call::Id.gt(after)).order_by_asc(Call::Id);
                rows.limit(rows_max).into_tuple().all(db).await?
            }
            AgedTable::Statuses => {
                let rows = waha_session_statuses::Entity::find().select_only();
                let rows = rows.columns([Status::Id, Status::SessionId]).column_as(since, "since");
                let rows = rows.filter(Status::Id.gt(after)).order_by_asc(Status::Id);
                rows.limit(rows_max).into_tuple().all(db).await?
            }
        };
        let aged = |(id, session, received_at): (i64, i64, DateTime<Utc>)| {
            let is_ours = pass.has_session(session);
            AgedRow { id, received_at, is_ours }
        };
        Ok(rows.into_iter().map(aged).collect())
    }

    async fn delete_aged(
        &self,
        table: AgedTable,
        ids: &[i64],
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        let transaction = self.begin().await?;
        let context = self.write_context(&transaction);
        let rows = lock(&transaction, self.dialect, table, ids, before).await?;
        delete(&context, table, &rows).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(transaction, place).await?;
        Ok(rows.len() as u64)
    }
}

/// Those of these rows that are old and may go, locked until the transaction ends.
async fn lock(
    db: &CheckedTransaction,
    dialect: Dialect,
    table: AgedTable,
    ids: &[i64],
    before: DateTime<Utc>,
) -> Result<Vec<QueryResult>, StoreError> {
    let (followed, kind) = table.followed();
    let name = Alias::new(kind.table());
    let column = |column: &'static str| Expr::col((name.clone(), Alias::new(column)));
    let mut select = Query::select();
    for it in followed.columns().chain(table.also_read()) {
        select.column((name.clone(), Alias::new(it)));
    }
    select.from(name.clone()).and_where(column("id").is_in(ids.iter().copied()));
    select.and_where(table.since().lt(before));
    select.cond_where(table.may_go(before));
    for it in table.key() {
        select.order_by((name.clone(), Alias::new(it)), sea_orm::Order::Asc);
    }
    let mut statement = dialect.backend().build(&select);
    if dialect != Dialect::Sqlite {
        statement.sql.push_str(" FOR UPDATE");
    }
    Ok(db.query_all_raw(statement).await?)
}

/// Deletes locked rows with what hangs on them, and notes it for the feed.
async fn delete(
    context: &WriteContext<'_>,
    table: AgedTable,
    rows: &[QueryResult],
) -> Result<(), StoreError> {
    let (followed, kind) = table.followed();
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        ids.push(row.try_get::<i64>("", "id")?);
        context.log.add_as(followed, kind, row)?;
    }
    if ids.is_empty() {
        return Ok(());
    }
    if table == AgedTable::Messages {
        delete_hanging(context.db, rows).await?;
    }
    let mut delete = Query::delete();
    delete.from_table(Alias::new(kind.table()));
    delete.and_where(Expr::col(Alias::new("id")).is_in(ids));
    context.db.execute(&delete).await?;
    Ok(())
}

async fn delete_hanging(db: &CheckedTransaction, rows: &[QueryResult]) -> Result<(), StoreError> {
    let of_chats = named_by(rows.iter(), "chat_id")?;
    for table in HANGING {
        let mut delete = Query::delete();
        delete.from_table(Alias::new(table)).cond_where(of_chats.clone());
        db.execute(&delete).await?;
    }
    // Somebody else may have chosen the bare id of one of ours.
    let is_own = |row: &&QueryResult| {
        row.try_get::<Option<bool>>("", "from_me").ok().flatten() == Some(true)
    };
    let own: Vec<&QueryResult> = rows.iter().filter(is_own).collect();
    if own.is_empty() {
        return Ok(());
    }
    let mut delete = Query::delete();
    let of_session = named_by(own.into_iter(), "session_id")?;
    delete.from_table(Alias::new(OWN_MESSAGES)).cond_where(of_session);
    db.execute(&delete).await?;
    Ok(())
}

/// Rows that belong to one of these messages, by the first of the two columns of their key and its bare id.
fn named_by<'r>(
    rows: impl Iterator<Item = &'r QueryResult>,
    first: &'static str,
) -> Result<Cond, StoreError> {
    let mut groups = BTreeMap::<i64, Vec<String>>::new();
    for row in rows {
        groups.entry(row.try_get("", first)?).or_default().push(row.try_get("", "message_id")?);
    }
    Ok(groups.into_iter().fold(Cond::any(), |any, (parent, ids)| {
        let parent = Expr::col(Alias::new(first)).eq(parent);
        any.add(Cond::all().add(parent).add(Expr::col(Alias::new("message_id")).is_in(ids)))
    }))
}

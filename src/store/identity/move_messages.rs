//! What two ids of one person told of messages becomes one person's.
//!
//! Rows that meet are not merged in SQL: who owns a message, and what its edits make of it, is
//! derived from what was told. So what the rows hold is told again, with the changes of the batch,
//! under the name that stands for the person.

use std::collections::BTreeMap;

use sea_orm::sea_query::{
    Alias, Asterisk, Cond, Expr, ExprTrait, JoinType, Query, SelectStatement, UnionType,
};
use sea_orm::{ConnectionTrait, Order, QueryResult};

use super::canonical::IdentityMerge;
use super::move_keys::{MoveScope, indexed};
use super::pointers::{point, retire};
use super::retold::RetoldMessages;
use crate::change::{ChatKey, MessageChange, MessageKey, MessageStatus, Register, Version};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;
use crate::store::tables::{claim, message};

const MESSAGES: &str = "waha_messages";
pub(super) const CLAIMS: &str = "waha_message_claims";
/// The row that a row meets.
const THERE: &str = "there_id";
/// Tables that say who did something to a message, in a column `author`.
const BY_AUTHOR: [&str; 4] = [MESSAGES, CLAIMS, "waha_message_edits", "waha_message_revocations"];

/// Messages of a chat that becomes one with another, which is `chat` by now.
pub(super) async fn move_messages(
    context: &WriteContext<'_>,
    chat: &ChatKey,
    (from, to): (i64, i64),
    scope: MoveScope<'_>,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    let (mut meetings, mut message_ids) = (Vec::new(), Vec::new());
    let key = |message_id: String| MessageKey { chat: chat.clone(), message_id };
    let mut meeting = meeting(from, to);
    meeting.cond_where(scope.cond("moving")).cond_where(scope.met("there"));
    for row in context.db.query_all(&meeting).await? {
        let message_id: String = row.try_get("", "message_id")?;
        retold.add(key(message_id.clone()), telling(&row, true)?);
        meetings.push((retire(context, &row).await?, row.try_get("", THERE)?));
        message_ids.push(message_id);
    }
    if !message_ids.is_empty() {
        let beside = Cond::all()
            .add(Expr::col(Alias::new("chat_id")).eq(from))
            .add(Expr::col(Alias::new("message_id")).is_in(message_ids));
        for row in take_claims(context, beside).await? {
            retold.add(key(row.try_get("", "message_id")?), telling(&row, false)?);
        }
    }
    for (moving, there) in meetings {
        point(context, moving, there).await?;
    }
    for table in [MESSAGES, CLAIMS] {
        let mut update = Query::update();
        update
            .table(Alias::new(table))
            .values([("chat_id", Expr::val(to)), ("updated_at", context.now_value())])
            .and_where(Expr::col(Alias::new("chat_id")).eq(from))
            .cond_where(scope.cond(table));
        context.db.execute(&update).await?;
    }
    Ok(())
}

/// What a person told and did under one of its ids, in groups.
pub(super) async fn move_author(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    let touched = messages_touched(context, merge).await?;
    for ((chat, key), row_id) in touched {
        // Others may be resolving the message's conflicts: its row is what they lock.
        lock_row(context.db, MESSAGES, row_id).await?;
        // The two ids may be two authors of one message by now: both tell it again.
        for author in [&merge.merged, &merge.canonical] {
            let theirs = Cond::all()
                .add(Expr::col(Alias::new("chat_id")).eq(chat))
                .add(Expr::col(Alias::new("message_id")).eq(key.message_id.as_str()))
                .add(Expr::col(Alias::new("author")).eq(author.as_str()));
            for row in take_claims(context, theirs).await? {
                let mut telling = telling(&row, false)?;
                let told = telling.told.into_values().map(|told| (merge.canonical.clone(), told));
                telling.told = told.collect();
                retold.add(key.clone(), telling);
            }
        }
        let mut update = Query::update();
        update
            .table(Alias::new(MESSAGES))
            .values([
                ("author", Expr::val(merge.canonical.as_str())),
                ("updated_at", context.now_value()),
            ])
            .and_where(Expr::col(Alias::new("id")).eq(row_id))
            .and_where(Expr::col(Alias::new("author")).eq(merge.merged.as_str()));
        context.db.execute(&update).await?;
        let shown = Cond::all()
            .add(Expr::col(Alias::new("id")).eq(row_id))
            .add(Expr::col(Alias::new("is_stub")).eq(false));
        context.log_written(&message::FOLLOWED, shown).await?;
        retold.touch(key);
    }
    Ok(())
}

/// Messages that the person wrote, claimed, edited or revoked under the other id.
async fn messages_touched(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
) -> Result<BTreeMap<(i64, MessageKey), i64>, StoreError> {
    let mut touched = BTreeMap::new();
    let [first, rest @ ..] = BY_AUTHOR;
    let mut select = by_author(first, merge);
    for table in rest {
        select.union(UnionType::All, by_author(table, merge));
    }
    for row in context.db.query_all(&select).await? {
        let chat_id = row.try_get("", "chat_name")?;
        let chat = ChatKey { session: merge.session.clone(), chat_id };
        let key = MessageKey { chat, message_id: row.try_get("", "message_id")? };
        touched.insert((row.try_get("", "chat_id")?, key), row.try_get("", "row_id")?);
    }
    Ok(touched)
}

/// Claims whose message has no row, as hands left them: told again where they belong.
pub(super) async fn move_claims(
    context: &WriteContext<'_>,
    chat: &ChatKey,
    scope: MoveScope<'_>,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    for row in take_claims(context, scope.cond(CLAIMS)).await? {
        let key = MessageKey { chat: chat.clone(), message_id: row.try_get("", "message_id")? };
        retold.add(key, telling(&row, false)?);
    }
    Ok(())
}

/// Reads claims and takes them away.
async fn take_claims(
    context: &WriteContext<'_>,
    which: Cond,
) -> Result<Vec<QueryResult>, StoreError> {
    let mut select = Query::select();
    select.column(Asterisk).from(Alias::new(CLAIMS)).cond_where(which);
    let rows = context.db.query_all(&select).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    if !ids.is_empty() {
        delete_rows(context, CLAIMS, ids).await?;
    }
    Ok(rows)
}

/// Takes rows away.
pub(in crate::store) async fn delete_rows(
    context: &WriteContext<'_>,
    table: &'static str,
    ids: Vec<i64>,
) -> Result<(), StoreError> {
    let mut delete = Query::delete();
    delete.from_table(Alias::new(table)).and_where(Expr::col(Alias::new("id")).is_in(ids));
    context.db.execute(&delete).await?;
    Ok(())
}

/// What a row holds, as it was told. What of the status was told of an own message is known to its row
/// of `waha_own_messages`; it stays with this one as long as that does not move it.
pub(in crate::store) fn telling(
    row: &QueryResult,
    is_message: bool,
) -> Result<MessageChange, StoreError> {
    let edited = is_message && row.try_get::<i64>("", "edited_version")? > 0;
    let told = claim::read(row, if edited { "original_content" } else { "content" })?;
    let mut change = MessageChange { told: told.into_iter().collect(), ..MessageChange::default() };
    if is_message {
        change.status = rank(row, "received_rank")?;
        change.own_status = rank(row, "status_rank")?;
        let reason: Option<String> = row.try_get("", "status_reason")?;
        let version = Version::stored(row.try_get("", "status_reason_version")?);
        change.status_reason = reason.map(|reason| Register::new(version, reason));
    }
    Ok(change)
}

fn rank(row: &QueryResult, column: &str) -> Result<Option<MessageStatus>, StoreError> {
    Ok(row.try_get::<Option<i16>>("", column)?.and_then(MessageStatus::of_rank))
}

/// A column of a table under another name.
fn of(table: &'static str, column: &'static str) -> Expr {
    Expr::col((Alias::new(table), Alias::new(column)))
}

/// Bare ids of messages that have a row in both chats, at most so many, the newest first.
pub(super) async fn meeting_ids(
    context: &WriteContext<'_>,
    (from, to): (i64, i64),
    limit: u64,
) -> Result<Vec<String>, StoreError> {
    let mut select = both(from, to);
    select
        .column((Alias::new("moving"), Alias::new("message_id")))
        .order_by((Alias::new("moving"), Alias::new("sent_at")), Order::Desc)
        .limit(limit);
    let rows = context.db.query_all(&select).await?;
    Ok(rows.iter().map(|row| row.try_get("", "message_id")).collect::<Result<_, _>>()?)
}

/// Rows of one chat whose message has a row in the other.
fn meeting(from: i64, to: i64) -> SelectStatement {
    let mut select = both(from, to);
    select.column((Alias::new("moving"), Asterisk)).expr_as(of("there", "id"), Alias::new(THERE));
    select
}

/// Messages that have a row in both chats.
fn both(from: i64, to: i64) -> SelectStatement {
    let same = of("there", "message_id").eq(of("moving", "message_id"));
    let mut select = Query::select();
    select
        .from_as(Alias::new(MESSAGES), Alias::new("moving"))
        .join_as(
            JoinType::InnerJoin,
            Alias::new(MESSAGES),
            Alias::new("there"),
            same.and(of("there", "chat_id").eq(to)),
        )
        .and_where(of("moving", "chat_id").eq(from));
    select
}

/// Messages of a session to which the other id did something, by one table.
fn by_author(table: &'static str, merge: &IdentityMerge<'_>) -> SelectStatement {
    let row = of("row", "chat_id").eq(of("did", "chat_id"));
    let row = row.and(of("row", "message_id").eq(of("did", "message_id")));
    let mut select = Query::select();
    select
        .expr_as(of("row", "id"), Alias::new("row_id"))
        .expr_as(of("chat", "chat_id"), Alias::new("chat_name"))
        .expr(of("did", "chat_id"))
        .expr(of("did", "message_id"))
        .from_as(Alias::new(table), Alias::new("did"))
        .join_as(
            JoinType::InnerJoin,
            Alias::new("waha_chats"),
            Alias::new("chat"),
            of("chat", "id").eq(of("did", "chat_id")),
        )
        .join_as(JoinType::InnerJoin, Alias::new(MESSAGES), Alias::new("row"), row)
        .and_where(of("chat", "session_id").eq(merge.session_id))
        .and_where(of("did", "author").eq(merge.merged.as_str()))
        .and_where(indexed("did.author"));
    select
}

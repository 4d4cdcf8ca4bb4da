//! The messages of a chat that turned out to be another one move there: at once if they are few, else the newest
//! at once and the others in steps, in transactions of their own.
//!
//! Called by `merge_rows`, which begins it, and by `apply`: for the steps, and before something is told of messages
//! that may still be on their way.
//!
//! Invariant: a message is in one chat. While a chat has a row in `waha_chat_moves` its messages are there or where it
//! points to, with all that belongs to them, and nothing new comes to it. Whoever tells something of a message of
//! the chat that it points to has locked that row, and has brought the message home: no message is told twice.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, NotSet, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait, Set,
};

use entity::{waha_chat_moves, waha_chats, waha_messages};

use super::canonical::IdentityMerge;
use super::known::KnownRows;
use super::move_keys::{KeyMove, MoveScope, move_keys};
use super::move_messages::{CLAIMS, meeting_ids, move_claims, move_messages};
use super::retold::RetoldMessages;
use crate::change::{Changes, ChatKey, MessageKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_rows;
use crate::store::sql::upsert::Upsert;
use crate::store::tables::{BY_CHAT, chat};

const MOVES: &str = "waha_chat_moves";

/// A chat that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct MovingChat {
    /// Row of `waha_chat_moves`.
    pub(in crate::store) id: i64,
    pub(in crate::store) lease_number: i64,
    pub(in crate::store) from: i64,
    pub(in crate::store) to: i64,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct MovedRows {
    pub(in crate::store) rows: u64,
    /// What was sent later has moved.
    pub(in crate::store) before: Option<DateTime<Utc>>,
    /// Nothing is left.
    pub(in crate::store) is_end: bool,
}

/// Which rows of a chat move by its id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OfChat {
    /// What belongs to a message.
    Messages,
    /// Calls, read marks, labels.
    Itself,
}

/// Moves what is in a chat, or the newest of it.
pub(super) async fn move_chat(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    (from, to): (i64, i64),
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    let chat = merge.chat();
    move_of_chat(context, OfChat::Itself, (from, to), MoveScope::All).await?;
    let at_once = context.moved_at_once;
    let mut newest = newest(context, from, None, at_once + 1).await?;
    if newest.len() as u64 <= at_once {
        return move_part(context, &chat, (from, to), MoveScope::All, retold).await;
    }
    newest.pop();
    // Those that were told in both would be there twice in one conversation.
    let met = meeting_ids(context, (from, to), at_once).await?;
    let ids: BTreeSet<String> = newest.into_iter().map(|(id, _)| id).chain(met).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    move_part(context, &chat, (from, to), MoveScope::Messages(&ids), retold).await?;
    begin(context, from).await
}

/// From now on steps move what is in a chat that points to another one.
pub(in crate::store) async fn begin(
    context: &WriteContext<'_>,
    chat: i64,
) -> Result<(), StoreError> {
    use waha_chat_moves::{ActiveModel, Column, Entity};
    let row = ActiveModel {
        id: NotSet,
        chat_id: Set(chat),
        leased_until: Set(None),
        lease_number: Set(0),
        created_at: NotSet,
        updated_at: Set(context.now),
    };
    let upsert = Upsert::<Entity>::new(context.dialect, &[Column::ChatId]);
    Ok(upsert.run(context.db, vec![row]).await?)
}

/// All chats that move: few, if any.
pub(in crate::store) async fn moving_chats(
    db: &impl ConnectionTrait,
) -> Result<Vec<MovingChat>, DbErr> {
    use waha_chat_moves::{Column, Entity, Relation};
    let rows: Vec<(i64, i64, i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::LeaseNumber, Column::ChatId])
        .column(waha_chats::Column::MergedInto)
        .join(JoinType::InnerJoin, Relation::WahaChats.def())
        .filter(waha_chats::Column::MergedInto.is_not_null())
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let chat = |(id, lease_number, from, to)| MovingChat { id, lease_number, from, to };
    Ok(rows.into_iter().map(chat).collect())
}

/// Brings home what is still on its way of these messages, of which something is about to be told; nothing of the
/// chats that they come from moves until the transaction ends. Adds to the changes what rows that meet held;
/// returns the messages that are to be derived anew.
///
/// After who stands for the people was locked: so no move begins meanwhile.
pub(in crate::store) async fn bring_named_home(
    context: &WriteContext<'_>,
    changes: &mut Changes,
    named: BTreeSet<MessageKey>,
    known: &KnownRows,
) -> Result<BTreeSet<MessageKey>, StoreError> {
    if named.is_empty() {
        return Ok(BTreeSet::new());
    }
    let moving = moving_chats(context.db).await?;
    if moving.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut by_chat = BTreeMap::<i64, (ChatKey, Vec<String>)>::new();
    for MessageKey { chat, message_id } in named {
        if let Some(id) = known.chats.get(&chat) {
            by_chat.entry(*id).or_insert_with(|| (chat, Vec::new())).1.push(message_id);
        }
    }
    let touched: Vec<MovingChat> =
        moving.into_iter().filter(|it| by_chat.contains_key(&it.to)).collect();
    lock_moves(context, &touched).await?;
    let mut retold = RetoldMessages::default();
    for MovingChat { from, to, .. } in touched {
        let (chat, ids) = &by_chat[&to];
        move_part(context, chat, (from, to), MoveScope::Messages(ids), &mut retold).await?;
    }
    Ok(retold.add_to(changes))
}

/// Locks a chat that moves; none if it does not any more, or if another worker has it by now.
pub(in crate::store) async fn lock_move(
    context: &WriteContext<'_>,
    expected: MovingChat,
) -> Result<Option<MovingChat>, StoreError> {
    lock_moves(context, &[expected]).await?;
    let moving = moving_chats(context.db).await?;
    Ok(moving.into_iter().find(|it| *it == expected))
}

async fn lock_moves(context: &WriteContext<'_>, moves: &[MovingChat]) -> Result<(), StoreError> {
    let ids: Vec<i64> = moves.iter().map(|it| it.id).collect();
    lock_rows(context.db, MOVES, &ids).await
}

/// Moves the next of a chat whose row in `waha_chat_moves` is locked: the newest messages that were sent before
/// `before`, at most `rows`; once there are none, what is left of no message.
pub(in crate::store) async fn move_next(
    context: &WriteContext<'_>,
    chat: &ChatKey,
    moving: MovingChat,
    before: Option<DateTime<Utc>>,
    retold: &mut RetoldMessages,
) -> Result<MovedRows, StoreError> {
    let MovingChat { id, from, to, .. } = moving;
    let newest = newest(context, from, before, context.moved_at_once).await?;
    if let Some((_, last)) = newest.last() {
        let before = *last;
        let rows = newest.len() as u64;
        let ids: Vec<String> = newest.into_iter().map(|(id, _)| id).collect();
        move_part(context, chat, (from, to), MoveScope::Messages(&ids), retold).await?;
        return Ok(MovedRows { rows, before, is_end: false });
    }
    if before.is_some() {
        // Those without a time are neither before nor after.
        return Ok(MovedRows { rows: 0, before: None, is_end: false });
    }
    let rows = move_left(context, chat, (from, to), retold).await?;
    let is_end = rows == 0;
    if is_end {
        end(context, id, from).await?;
    }
    Ok(MovedRows { rows, before: None, is_end })
}

/// Bare ids of the newest messages of a chat, with when they were sent.
async fn newest(
    context: &WriteContext<'_>,
    chat: i64,
    before: Option<DateTime<Utc>>,
    limit: u64,
) -> Result<Vec<(String, Option<DateTime<Utc>>)>, StoreError> {
    use waha_messages::{Column, Entity};
    // The index begins with the session.
    let session = waha_chats::Entity::find_by_id(chat)
        .select_only()
        .column(waha_chats::Column::SessionId)
        .into_tuple::<i64>()
        .one(context.db)
        .await?
        .ok_or(StoreError::Vanished(chat::TABLE))?;
    let mut select = Entity::find()
        .select_only()
        .columns([Column::MessageId, Column::SentAt])
        .filter(Column::SessionId.eq(session))
        .filter(Column::ChatId.eq(chat))
        .order_by_desc(Column::SentAt)
        .limit(limit);
    if let Some(before) = before {
        let before = Expr::val(context.dialect.bind(before.into()));
        select = select.filter(Expr::col(Column::SentAt).lte(before));
    }
    Ok(select.into_tuple().all(context.db).await?)
}

/// Moves messages with all that belongs to them.
async fn move_part(
    context: &WriteContext<'_>,
    chat: &ChatKey,
    (from, to): (i64, i64),
    scope: MoveScope<'_>,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    move_messages(context, chat, (from, to), scope, retold).await?;
    move_of_chat(context, OfChat::Messages, (from, to), scope).await
}

async fn move_of_chat(
    context: &WriteContext<'_>,
    which: OfChat,
    (from, to): (i64, i64),
    scope: MoveScope<'_>,
) -> Result<(), StoreError> {
    let mut moves = Vec::with_capacity(BY_CHAT.len());
    for table in &BY_CHAT {
        let (rules, column) = ((table.rules)(context.dialect), table.column);
        if OfChat::of(&rules.key) == which {
            // That one chat is another stands for all that was in it.
            let (from, to, followed) = (from.into(), to.into(), None);
            moves.push(KeyMove { rules, column, from, to, scope, session_id: None, followed });
        }
    }
    move_keys(context, &moves).await
}

/// Rows of no message, of one table; returns how many they were.
async fn move_left(
    context: &WriteContext<'_>,
    chat: &ChatKey,
    (from, to): (i64, i64),
    retold: &mut RetoldMessages,
) -> Result<u64, StoreError> {
    let claims = ids_left(context, CLAIMS, from).await?;
    if !claims.is_empty() {
        move_claims(context, chat, MoveScope::Rows(&claims), retold).await?;
        return Ok(claims.len() as u64);
    }
    for table in &BY_CHAT {
        let (rules, column) = ((table.rules)(context.dialect), table.column);
        let ids = ids_left(context, rules.table, from).await?;
        if !ids.is_empty() {
            let (from, to, scope) = (from.into(), to.into(), MoveScope::Rows(&ids));
            let left = KeyMove { rules, column, from, to, scope, session_id: None, followed: None };
            move_keys(context, &[left]).await?;
            return Ok(ids.len() as u64);
        }
    }
    Ok(0)
}

async fn ids_left(
    context: &WriteContext<'_>,
    table: &'static str,
    chat: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut select = Query::select();
    select
        .column(Alias::new("id"))
        .from(Alias::new(table))
        .and_where(Expr::col(Alias::new("chat_id")).eq(chat))
        .limit(context.moved_at_once);
    let rows = context.db.query_all(&select).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Tells once more that the chat is another one: what was read of it before may still have named the old one.
async fn end(context: &WriteContext<'_>, id: i64, chat: i64) -> Result<(), StoreError> {
    waha_chat_moves::Entity::delete_by_id(id).exec(context.db).await?;
    let mut pointer = Query::select();
    pointer
        .columns(chat::FOLLOWED_POINTERS.columns().map(Alias::new))
        .from(Alias::new(chat::TABLE))
        .and_where(Expr::col(Alias::new("id")).eq(chat));
    Ok(context.log.add(&chat::FOLLOWED_POINTERS, &context.db.query_all(&pointer).await?)?)
}

impl OfChat {
    fn of(key: &[&str]) -> Self {
        if key.contains(&"message_id") { Self::Messages } else { Self::Itself }
    }
}

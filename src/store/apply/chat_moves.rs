//! Chats that turned out to be another one, while their messages move there: who moves them, step by step.
//!
//! Called by `crate::chat_moves` beside a worker, by `repair`, and by who counts them.
//!
//! Invariant: each step is a transaction that tells the feed, and leaves rows that are right by themselves; a lease
//! says who does the next one, so that a killed worker's chat is taken over by another one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use entity::{waha_chat_moves, waha_chats, waha_sessions};

use super::write::moved::{MoveStep, write_moved};
use crate::change::{Changes, ChatKey, SessionKey};
use crate::store::Store;
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::move_chat::{self, MovingChat};
use crate::store::sql::error::StoreError;

/// How long a worker has a chat after each step.
const LEASE: Duration = Duration::from_secs(60);

/// A chat that this worker moves.
#[derive(Debug)]
pub struct ChatMove {
    moving: MovingChat,
    chat: ChatKey,
    session_id: i64,
    before: Option<DateTime<Utc>>,
    /// Rows that were moved so far.
    pub rows: u64,
}

impl ChatMove {
    /// Row of the chat that is left.
    pub fn chat_id(&self) -> i64 {
        self.moving.from
    }
}

impl Store {
    /// How many chats still move.
    pub async fn moving_chat_count(&self) -> Result<u64, StoreError> {
        Ok(waha_chat_moves::Entity::find().count(&self.pool().db).await?)
    }

    /// Takes a chat that nobody moves; none if there is none.
    pub async fn take_chat_move(&self) -> Result<Option<ChatMove>, StoreError> {
        use waha_chat_moves::{Column, Entity};
        let now = self.clock.now();
        let is_free =
            Condition::any().add(Column::LeasedUntil.is_null()).add(Column::LeasedUntil.lt(now));
        let free = Entity::find().filter(is_free).order_by_asc(Column::Id);
        let Some(row) = free.one(&self.pool().db).await? else { return Ok(None) };
        let lease_number = row.lease_number + 1;
        let _turn = self.turn().await;
        let taken = Entity::update_many()
            .col_expr(Column::LeaseNumber, Expr::val(lease_number))
            .col_expr(Column::LeasedUntil, self.leased_until(now))
            .filter(Column::Id.eq(row.id))
            .filter(Column::LeaseNumber.eq(row.lease_number))
            .exec(&self.pool().db)
            .await?;
        if taken.rows_affected == 0 {
            return Ok(None);
        }
        self.chat_move(row.id, lease_number, row.chat_id).await
    }

    /// Moves the next rows of a chat, in one transaction; returns whether there may be more that this worker is to
    /// move.
    pub async fn move_chat_step(&self, chat_move: &mut ChatMove) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let mut changes = Changes::default();
        changes.chat(&chat_move.chat);
        let mut known = self.known_of(&changes);
        known.sessions.insert(chat_move.chat.session.clone(), chat_move.session_id);
        let transaction = self.begin().await?;
        let context = self.write_context(&transaction);
        let (moving, before) = (chat_move.moving, chat_move.before);
        let step = MoveStep { moving, chat: chat_move.chat.clone(), before };
        let (moved, known) = write_moved(&context, step, known).await?;
        let Some(moved) = moved else {
            transaction.rollback().await?;
            return Ok(false);
        };
        self.renew(&context, moving).await?;
        let place = self.append_changes(&context).await?;
        self.commit(transaction, place, &known).await?;
        self.ids.learn(known);
        chat_move.rows += moved.rows;
        chat_move.before = moved.before;
        Ok(!moved.is_end)
    }

    /// What is known of a chat that was taken.
    async fn chat_move(
        &self,
        id: i64,
        lease_number: i64,
        from: i64,
    ) -> Result<Option<ChatMove>, StoreError> {
        let db = &self.pool().db;
        let left = waha_chats::Entity::find_by_id(from).one(db).await?;
        let Some(to) = left.and_then(|left| left.merged_into) else {
            // It stands for itself again, as hands or a repair have it: nothing moves.
            waha_chat_moves::Entity::delete_by_id(id).exec(db).await?;
            return Ok(None);
        };
        let Some((chat, Some(session))) = waha_chats::Entity::find_by_id(to)
            .find_also_related(waha_sessions::Entity)
            .one(db)
            .await?
        else {
            return Ok(None);
        };
        let key = SessionKey {
            source: session.source.as_str().into(),
            name: session.name.as_str().into(),
        };
        Ok(Some(ChatMove {
            moving: MovingChat { id, lease_number, from, to },
            chat: ChatKey { session: key, chat_id: chat.chat_id },
            session_id: session.id,
            before: None,
            rows: 0,
        }))
    }

    async fn renew(
        &self,
        context: &WriteContext<'_>,
        moving: MovingChat,
    ) -> Result<(), StoreError> {
        use waha_chat_moves::{Column, Entity};
        Entity::update_many()
            .col_expr(Column::LeasedUntil, self.leased_until(self.clock.now()))
            .filter(Column::Id.eq(moving.id))
            .exec(context.db)
            .await?;
        Ok(())
    }

    fn leased_until(&self, now: DateTime<Utc>) -> Expr {
        Expr::val(self.dialect.bind((now + LEASE).into()))
    }
}

/// Has what is in a chat that points to another one moved there, in steps.
pub(in crate::store) async fn begin_move(
    context: &WriteContext<'_>,
    chat: i64,
) -> Result<(), StoreError> {
    move_chat::begin(context, chat).await
}

/// Rows of chats whose messages are still on their way to this one.
pub(in crate::store) async fn moving_into(
    db: &impl ConnectionTrait,
    conversation: i64,
) -> Result<Vec<i64>, StoreError> {
    let moving = move_chat::moving_chats(db).await?.into_iter();
    Ok(moving.filter(|it| it.to == conversation).map(|it| it.from).collect())
}

/// Rows of chats in which the messages of a conversation are: nearly always its own alone.
pub(in crate::store) async fn chats_of(
    db: &impl ConnectionTrait,
    conversation: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut chats = vec![conversation];
    chats.extend(moving_into(db, conversation).await?);
    Ok(chats)
}

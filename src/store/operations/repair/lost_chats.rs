//! Chats that are gone while their messages are there: made again under their ids, by the name that WAHA's ids of
//! their messages tell. What they were called, described and archived comes back with the next telling.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Set,
};

use entity::{waha_chats, waha_contacts, waha_messages, waha_sessions};

use super::parents::RELATIONS;
use super::{ROWS_MAX, RepairedRows};
use crate::change::{ChatChange, ChatKey, LastMessage, SessionKey};
use crate::store::operations::hold::hold;
use crate::store::sql::error::StoreError;
use crate::store::tables::chat;
use crate::store::{Store, audit};
use crate::waha::message_id::MessageId;

/// Messages of a chat that are asked for its name.
const ASKED: u64 = 100;

/// Chats that are gone, as far as messages name them.
#[derive(Default)]
pub(super) struct LostChats {
    /// Those whose name is known, by their ids.
    pub(super) found: Vec<i64>,
    /// Those of which it is not, or is another chat's by now.
    pub(super) unknown: Vec<i64>,
}

/// A chat that can be made again.
struct LostChat {
    session_id: i64,
    key: ChatKey,
    told: ChatChange,
}

impl Store {
    pub(super) async fn lost_chats(&self) -> Result<LostChats, StoreError> {
        let (mut chats, mut after) = (LostChats::default(), i64::MIN);
        loop {
            let db = &self.pool().db;
            let ids = lost_after(db, after).await?;
            let Some(last) = ids.last() else { return Ok(chats) };
            after = *last;
            for id in ids {
                let is_known = self.find_lost(db, id).await?.is_some();
                if is_known { &mut chats.found } else { &mut chats.unknown }.push(id);
            }
        }
    }

    pub(super) async fn make_lost_chats(&self, log: i64) -> Result<RepairedRows, StoreError> {
        let found = hold(|| self.lost_chats()).await?.found;
        let mut rows = 0;
        for id in found {
            rows += hold(|| self.make_lost(id, log)).await?;
        }
        Ok(RepairedRows { place: format!("{}.id", chat::TABLE), rows })
    }

    /// Returns how many were made: one, or none if somebody else has made it.
    async fn make_lost(&self, id: i64, log: i64) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let is_there = waha_chats::Entity::find_by_id(id).one(&db).await?.is_some();
        let lost = if is_there { None } else { self.find_lost(&db, id).await? };
        let Some(LostChat { session_id, key, told }) = lost else {
            db.rollback().await?;
            return Ok(0);
        };
        let context = self.write_context(&db);
        let row = chat::row(session_id, &key, &told, context.now);
        let row = waha_chats::ActiveModel { id: Set(id), ..row };
        waha_chats::Entity::insert(row).exec_without_returning(&db).await?;
        let made = Cond::all().add(Expr::col(Alias::new("id")).eq(id));
        context.log_written(&chat::FOLLOWED_NEW, made).await?;
        audit::count(&db, log, 1).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(1)
    }

    /// What is known of a chat that is gone; none if it can't be made again.
    async fn find_lost(
        &self,
        db: &impl ConnectionTrait,
        id: i64,
    ) -> Result<Option<LostChat>, StoreError> {
        use waha_messages::{Column, Entity};
        let messages =
            Entity::find().filter(Column::ChatId.eq(id)).filter(Column::WahaId.is_not_null());
        let messages = messages.select_only().columns([Column::SessionId, Column::WahaId]);
        let asked = messages.order_by_asc(Column::Id).limit(ASKED);
        let told: Vec<(i64, String)> = asked.into_tuple().all(db).await?;
        let mut names = BTreeSet::new();
        for (session, waha_id) in told {
            if let Some(name) = MessageId::parse(&waha_id).and_then(|id| id.chat) {
                names.insert((session, name));
            }
        }
        let mut known = BTreeSet::new();
        for (session, name) in names {
            known.insert((session, standing(db, session, name).await?));
        }
        let Some((session_id, name)) = known.pop_first().filter(|_| known.is_empty()) else {
            return Ok(None);
        };
        if is_taken(db, session_id, &name).await? {
            return Ok(None);
        }
        let Some(session) = waha_sessions::Entity::find_by_id(session_id).one(db).await? else {
            return Ok(None);
        };
        let session = SessionKey {
            source: session.source.as_str().into(),
            name: session.name.as_str().into(),
        };
        let key = ChatKey { session, chat_id: name };
        let told = self.last_told(db, id).await?;
        Ok(Some(LostChat { session_id, key, told }))
    }

    /// Its last messages, as far as their senders' clocks are to be believed.
    async fn last_told(
        &self,
        db: &impl ConnectionTrait,
        id: i64,
    ) -> Result<ChatChange, StoreError> {
        use waha_messages::{Column, Entity};
        let mut told = ChatChange::default();
        for from_me in [true, false] {
            let shown = Entity::find()
                .filter(Column::ChatId.eq(id))
                .filter(Column::IsStub.eq(false))
                .filter(Column::IsNotice.eq(false))
                .filter(Column::FromMe.eq(from_me))
                .filter(Column::SentAt.lte(self.clock.now()));
            let message_id = self.dialect.by_bytes("waha_messages.message_id");
            let newest = shown
                .order_by_desc(Column::SentAt)
                .order_by(Expr::cust(message_id), Order::Desc)
                .one(db)
                .await?;
            let Some((at, message_id)) = newest.and_then(|it| Some((it.sent_at?, it.message_id)))
            else {
                continue;
            };
            told.last_message = told.last_message.max(Some(LastMessage { at, message_id }));
            *if from_me { &mut told.last_outbound_at } else { &mut told.last_inbound_at } =
                Some(at);
        }
        Ok(told)
    }
}

/// Ids of chats that messages name and that are not there.
async fn lost_after(db: &impl ConnectionTrait, after: i64) -> Result<Vec<i64>, StoreError> {
    let [of_messages, ..] = &RELATIONS;
    let chat = (Alias::new(of_messages.table), Alias::new(of_messages.column));
    let mut select = of_messages.orphans();
    select.distinct().column(chat.clone()).and_where(Expr::col(chat.clone()).gt(after));
    select.order_by(chat, Order::Asc).limit(ROWS_MAX);
    let rows = db.query_all(&select).await?;
    Ok(rows.iter().map(|row| row.try_get("", "chat_id")).collect::<Result<_, _>>()?)
}

/// The name that stands for a person, if the chat is one's.
async fn standing(
    db: &impl ConnectionTrait,
    session: i64,
    name: String,
) -> Result<String, StoreError> {
    use waha_contacts::{Column, Entity};
    let person = Entity::find().filter(Column::SessionId.eq(session));
    let person = person.filter(Column::Jid.eq(&name)).one(db).await?;
    Ok(person.and_then(|person| person.phone).unwrap_or(name))
}

async fn is_taken(db: &impl ConnectionTrait, session: i64, name: &str) -> Result<bool, StoreError> {
    use waha_chats::{Column, Entity};
    let chat = Entity::find().filter(Column::SessionId.eq(session)).filter(Column::ChatId.eq(name));
    Ok(chat.one(db).await?.is_some())
}

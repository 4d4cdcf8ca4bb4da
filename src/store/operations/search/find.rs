//! Finds messages by what is in their texts, newest first.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Func, IntoCondition};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use serde_json::Value as Json;

use entity::waha_visible_messages::{Column, Entity, Model};
use entity::{waha_chats, waha_sessions};

use super::word_table;
use crate::search::SearchQuery;
use crate::store::Store;
use crate::store::apply::chat_moves::chats_of;
use crate::store::operations::feed::row_json;
use crate::store::sql::error::StoreError;

/// Pages of candidates that one search reads at most: few are left out, so one is enough as a rule.
const PAGES_MAX: usize = 20;

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct MessageSearch<'a> {
    /// What is looked for.
    pub query: &'a SearchQuery,
    /// Only in these sessions, if told.
    pub sessions: Option<&'a [i64]>,
    /// Only in the conversation with this id of WhatsApp, if told.
    pub chat: Option<&'a str>,
    /// Only what comes after this in the order of answers: older.
    pub before: Option<SearchCursor>,
    /// At most so many.
    pub limit: u64,
}

/// A place in the order of answers: time, then id, both downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchCursor {
    /// When the message was sent; where that is not known, when it was stored.
    pub at: DateTime<Utc>,
    /// Row of the message.
    pub id: i64,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundMessage {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// WhatsApp's id of the conversation.
    pub chat: String,
    /// The row of `waha_visible_messages`, but for bookkeeping.
    pub row: Json,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundPage {
    /// Newest first.
    pub messages: Vec<FoundMessage>,
    /// Where the next page begins; none after the last.
    pub next: Option<SearchCursor>,
}

impl Store {
    /// Finds messages. What was revoked, and what lists don't show, is not found.
    pub async fn find_messages(&self, search: MessageSearch<'_>) -> Result<FoundPage, StoreError> {
        let mut found: Vec<Model> = Vec::new();
        let mut place = search.before;
        for _ in 0..PAGES_MAX {
            let candidates = self.candidates(&search, place).await?;
            let is_last = (candidates.len() as u64) < search.limit;
            for message in candidates {
                place = Some(cursor(&message));
                if search.query.matches(message.content.as_deref().unwrap_or_default()) {
                    found.push(message);
                }
                if found.len() as u64 == search.limit {
                    return self.found_page(found, place).await;
                }
            }
            if is_last {
                return self.found_page(found, None).await;
            }
        }
        self.found_page(found, place).await
    }

    /// Messages with the words, or that had them a moment ago.
    async fn candidates(
        &self,
        search: &MessageSearch<'_>,
        before: Option<SearchCursor>,
    ) -> Result<Vec<Model>, StoreError> {
        let mut select = Entity::find()
            .filter(word_table::matching(self.dialect, search.query))
            .filter(Column::RevokedAt.is_null())
            .filter(self.within(search).await?)
            .filter(before.map_or_else(Condition::all, |before| self.older_than(before)))
            .order_by(at(), Order::Desc)
            .order_by(Column::Id, Order::Desc)
            .limit(search.limit);
        let words = Alias::new(word_table::TABLE);
        let same =
            Expr::col((words.clone(), word_table::id(self.dialect))).equals((Entity, Column::Id));
        QueryTrait::query(&mut select).inner_join(words, same.into_condition());
        Ok(select.all(&self.reading()).await?)
    }

    async fn within(&self, search: &MessageSearch<'_>) -> Result<Cond, StoreError> {
        use waha_chats::{Column as Chat, Entity as Chats};
        let mut within = Cond::all();
        if let Some(sessions) = search.sessions {
            within = within.add(Column::SessionId.is_in(sessions.iter().copied()));
        }
        let Some(chat) = search.chat else { return Ok(within) };
        let rows: Vec<(i64, Option<i64>)> = Chats::find()
            .select_only()
            .columns([Chat::Id, Chat::MergedInto])
            .filter(Chat::ChatId.eq(chat))
            .into_tuple()
            .all(&self.reading())
            .await?;
        let mut ids = Vec::new();
        for (id, merged_into) in rows {
            ids.extend(chats_of(&self.reading(), merged_into.unwrap_or(id)).await?);
        }
        Ok(within.add(Column::ChatId.is_in(ids)))
    }

    fn older_than(&self, before: SearchCursor) -> Condition {
        let time = || Expr::val(self.dialect.bind(before.at.into()));
        let beside = Cond::all().add(at().eq(time())).add(Column::Id.lt(before.id));
        Cond::any().add(at().lt(time())).add(beside)
    }

    async fn found_page(
        &self,
        found: Vec<Model>,
        next: Option<SearchCursor>,
    ) -> Result<FoundPage, StoreError> {
        use waha_chats::{Column as Chat, Entity as Chats};
        use waha_sessions::{Column as Session, Entity as Sessions};
        let db = &self.reading();
        let named = |ids: Vec<i64>| {
            let select = Chats::find().select_only().filter(Chat::Id.is_in(ids));
            select.columns([Chat::Id, Chat::MergedInto, Chat::ChatId]).into_tuple().all(db)
        };
        let ids = found.iter().map(|message| message.chat_id).collect();
        let chats: Vec<(i64, Option<i64>, String)> = named(ids).await?;
        // Of a chat that still moves the name of the one that it turned out to be.
        let left: HashMap<i64, i64> =
            chats.iter().filter_map(|(id, into, _)| Some((*id, (*into)?))).collect();
        let conversations: Vec<(i64, Option<i64>, String)> = if left.is_empty() {
            Vec::new()
        } else {
            named(left.values().copied().collect()).await?
        };
        let sessions: Vec<(i64, String, String)> = Sessions::find()
            .select_only()
            .columns([Session::Id, Session::Source, Session::Name])
            .filter(Session::Id.is_in(found.iter().map(|message| message.session_id)))
            .into_tuple()
            .all(db)
            .await?;
        let chats: HashMap<i64, String> =
            chats.into_iter().chain(conversations).map(|(id, _, name)| (id, name)).collect();
        let sessions: HashMap<i64, (String, String)> =
            sessions.into_iter().map(|(id, source, name)| (id, (source, name))).collect();
        let whole = |message: Model| {
            let (source, session) = sessions.get(&message.session_id).cloned().unwrap_or_default();
            let chat = left.get(&message.chat_id).unwrap_or(&message.chat_id);
            let chat = chats.get(chat).cloned().unwrap_or_default();
            FoundMessage { source, session, chat, row: row_json(&message) }
        };
        Ok(FoundPage { messages: found.into_iter().map(whole).collect(), next })
    }
}

fn cursor(message: &Model) -> SearchCursor {
    let at = message.sent_at.unwrap_or(message.created_at).trunc_subsecs(6);
    SearchCursor { at, id: message.id }
}

/// When a message was sent, else when it was stored.
fn at() -> Expr {
    let [sent_at, created_at] =
        [Column::SentAt, Column::CreatedAt].map(|column| Expr::col((Entity, column)));
    Func::coalesce([sent_at, created_at]).into()
}

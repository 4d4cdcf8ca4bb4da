//! Which of the messages that WAHA lists are here: by conversation and bare id, under whatever name of the
//! conversation.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryResult};

use entity::{waha_chats, waha_own_messages};

use crate::change::{MessageStatus, Version, Witness};
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::{KEYS_MAX, of_pairs, read_pair};

const MESSAGES: &str = "waha_messages";
const KEY: (&str, &str) = ("chat_id", "message_id");
const COLUMNS: [&str; 7] =
    ["id", "chat_id", "message_id", "is_stub", "from_me", "status_rank", "content_version"];

/// A message as WAHA's list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMessage {
    /// Names of its chat, as far as the list tells: the one in its id, and the other one of the person.
    pub chats: Vec<String>,
    /// The bare id.
    pub message_id: String,
    /// Whether the own account sent it in a direct chat, so that its bare id alone names it.
    pub is_own: bool,
}

/// A message that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentMessage {
    /// Its row.
    pub id: i64,
    /// How far it got.
    pub status: Option<MessageStatus>,
    /// Whether the own account sent it.
    pub from_me: bool,
    /// Whether nothing is known but that there is one: its text may still come, or be listed.
    pub is_placeholder: bool,
}

/// Rows of chats by the names that were asked for: where two are one conversation, that of the conversation first,
/// then its own, whose messages may still be on their way.
type ChatRows = HashMap<String, Vec<i64>>;

impl Store {
    /// Of each message whether it is here, in their order. A stub is not: nothing is known of it but that it is.
    pub async fn presence(
        &self,
        session_id: i64,
        listed: &[ListedMessage],
    ) -> Result<Vec<Option<PresentMessage>>, StoreError> {
        let names: BTreeSet<&str> =
            listed.iter().flat_map(|it| it.chats.iter().map(String::as_str)).collect();
        let chats = self.conversations(session_id, &names).await?;
        let places = |it: &ListedMessage| {
            let rows = it.chats.iter().filter_map(|name| chats.get(name)).flatten();
            rows.map(|row| (*row, it.message_id.clone())).collect::<Vec<_>>()
        };
        let asked: BTreeSet<(i64, String)> = listed.iter().flat_map(places).collect();
        let found = self.messages_at(&asked).await?;
        let present = |it| places(it).iter().find_map(|place| found.get(place).copied());
        let mut present: Vec<Option<PresentMessage>> = listed.iter().map(present).collect();
        self.find_own(session_id, listed, &mut present).await?;
        Ok(present)
    }

    /// The conversations that names of chats stand for now.
    async fn conversations(
        &self,
        session_id: i64,
        names: &BTreeSet<&str>,
    ) -> Result<ChatRows, StoreError> {
        use waha_chats::Column;
        let names: Vec<&str> = names.iter().copied().collect();
        let mut rows = ChatRows::new();
        for names in names.chunks(KEYS_MAX) {
            let found = waha_chats::Entity::find()
                .filter(Column::SessionId.eq(session_id))
                .filter(Column::ChatId.is_in(names.iter().copied()));
            for chat in found.all(&self.pool().db).await? {
                let places = chat.merged_into.into_iter().chain([chat.id]).collect();
                rows.insert(chat.chat_id, places);
            }
        }
        Ok(rows)
    }

    async fn messages_at(
        &self,
        places: &BTreeSet<(i64, String)>,
    ) -> Result<HashMap<(i64, String), PresentMessage>, StoreError> {
        use sea_orm::ConnectionTrait;
        let mut found = HashMap::with_capacity(places.len());
        let places: Vec<&(i64, String)> = places.iter().collect();
        for places in places.chunks(KEYS_MAX) {
            let select = of_pairs(self.dialect, MESSAGES, KEY, &COLUMNS, places.iter().copied());
            for row in self.pool().db.query_all_raw(select).await? {
                if !row.try_get::<bool>("", "is_stub")? {
                    found.insert(read_pair(&row, KEY)?, read(&row)?);
                }
            }
        }
        Ok(found)
    }

    /// Own messages of direct chats are one message whatever the chat is called.
    async fn find_own(
        &self,
        session_id: i64,
        listed: &[ListedMessage],
        present: &mut [Option<PresentMessage>],
    ) -> Result<(), StoreError> {
        use waha_own_messages::Column;
        let missing =
            || listed.iter().zip(&*present).filter(|(it, row)| it.is_own && row.is_none());
        let ids: Vec<&str> = missing().map(|(it, _)| it.message_id.as_str()).collect();
        let mut homes = HashMap::new();
        for ids in ids.chunks(KEYS_MAX) {
            let rows = waha_own_messages::Entity::find()
                .filter(Column::SessionId.eq(session_id))
                .filter(Column::WitnessRank.eq(Witness::Told.rank()))
                .filter(Column::MessageId.is_in(ids.iter().copied()));
            let rows = rows.all(&self.pool().db).await?;
            homes.extend(rows.into_iter().map(|row| (row.message_id, row.chat_jid)));
        }
        if homes.is_empty() {
            return Ok(());
        }
        let names = homes.values().map(String::as_str).collect();
        let chats = self.conversations(session_id, &names).await?;
        let places = |id: &str| {
            let rows = homes.get(id).and_then(|home| chats.get(home)).into_iter().flatten();
            rows.map(|row| (*row, id.to_owned())).collect::<Vec<_>>()
        };
        let asked = missing().flat_map(|(it, _)| places(&it.message_id)).collect();
        let found = self.messages_at(&asked).await?;
        for (it, row) in listed.iter().zip(present).filter(|(it, row)| it.is_own && row.is_none()) {
            *row = places(&it.message_id).iter().find_map(|place| found.get(place).copied());
        }
        Ok(())
    }
}

fn read(row: &QueryResult) -> Result<PresentMessage, DbErr> {
    let version: i64 = row.try_get("", "content_version")?;
    Ok(PresentMessage {
        id: row.try_get("", "id")?,
        status: MessageStatus::of_rank(row.try_get("", "status_rank")?),
        from_me: row.try_get::<Option<bool>>("", "from_me")?.unwrap_or_default(),
        is_placeholder: Version::stored(version).is_placeholder(),
    })
}

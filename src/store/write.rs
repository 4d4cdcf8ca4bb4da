//! Writes merged changes: sessions, chats, messages and what is about them, calls, reads, each table
//! in key order.
//!
//! Called by `apply` within its transaction.

mod about_messages;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::dialect::Dialect;
use super::ids::Known;
use super::rows::{call, chat, message, read, session, user};
use super::{StoreError, StoreError::Vanished};
use super::{select, settle};
use crate::change::{Changes, ChatChange, ChatKey, MessageKey, SessionChange, SessionKey, Version};

/// A transaction that changes are written in.
pub(super) struct Writer<'a> {
    pub(super) db: &'a DatabaseTransaction,
    pub(super) dialect: Dialect,
    pub(super) now: DateTime<Utc>,
}

/// What was written.
pub(super) struct Written {
    /// Ids and versions that hold once the transaction is committed.
    pub(super) known: Known,
    /// Messages that more than one author told, and who owns each row.
    pub(super) owners: HashMap<MessageKey, String>,
}

impl Written {
    /// Whether these changes told a message that belongs to another author.
    pub(super) fn lost(&self, changes: &Changes) -> bool {
        changes.messages.iter().any(|(key, message)| {
            let owner = self.owners.get(key);
            owner.is_some_and(|owner| message.told.keys().any(|author| author != owner))
        })
    }
}

impl Writer<'_> {
    /// Writes all changes; `known` holds what was committed before.
    pub(super) async fn write(
        &self,
        changes: &Changes,
        mut known: Known,
    ) -> Result<Written, StoreError> {
        self.write_sessions(&changes.sessions, &mut known).await?;
        self.write_chats(&changes.chats, &mut known).await?;
        self.write_messages(changes, &known).await?;
        self.write_about_messages(changes, &known).await?;
        let owners = self.settle(changes, &known).await?;
        self.write_calls(changes, &known).await?;
        self.write_reads(changes, &known).await?;
        Ok(Written { known, owners })
    }

    async fn write_sessions(
        &self,
        sessions: &BTreeMap<SessionKey, SessionChange>,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let told: Vec<_> =
            sessions.iter().filter(|(key, change)| known.is_news(key, change)).collect();
        let rows = told.iter().map(|(key, change)| session::row(key, change, self.now)).collect();
        session::upsert(self.dialect).run(self.db, rows).await?;
        let unknown: Vec<&SessionKey> =
            sessions.keys().filter(|key| !known.sessions.contains_key(key)).collect();
        known.sessions.extend(select::session_ids(self.db, &unknown).await?);
        let mut identified = Vec::new();
        for (key, change) in told {
            if let Some(identity) = &change.identity {
                identified.push(known.session(key)?);
                known.identities.insert(key.clone(), identity.version);
            }
        }
        identified.sort_unstable();
        Ok(user::follow(self.db, self.dialect, &identified, self.now).await?)
    }

    async fn write_chats(
        &self,
        chats: &BTreeMap<ChatKey, ChatChange>,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(chats.len());
        for (key, change) in chats {
            if !known.chats.contains_key(key) || *change != ChatChange::default() {
                rows.push(chat::row(known.session(&key.session)?, key, change, self.now));
            }
        }
        chat::upsert(self.dialect).run(self.db, rows).await?;
        let unknown: Vec<&ChatKey> =
            chats.keys().filter(|key| !known.chats.contains_key(key)).collect();
        let found = select::chat_ids(self.db, &unknown, known).await?;
        known.chats.extend(found);
        Ok(())
    }

    async fn write_messages(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let amended = settle::amended(changes);
        let mut rows = Vec::with_capacity(changes.messages.len());
        for (key, change) in &changes.messages {
            let (session, chat) = (known.session(&key.chat.session)?, known.chat(&key.chat)?);
            let is_amended = amended.contains(key);
            rows.push(message::row(session, chat, key, change, is_amended, self.now));
        }
        Ok(message::upsert(self.dialect).run(self.db, rows).await?)
    }

    async fn write_calls(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(changes.calls.len());
        for (key, change) in &changes.calls {
            let chat = change.details.as_ref().and_then(|details| details.value.chat.as_ref());
            let chat = chat.map(|chat| known.chat(chat)).transpose()?;
            rows.push(call::row(known.session(&key.session)?, chat, key, change, self.now));
        }
        Ok(call::upsert(self.dialect).run(self.db, rows).await?)
    }

    async fn write_reads(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(changes.reads.len());
        for (key, change) in &changes.reads {
            rows.push(read::row(known.chat(&key.chat)?, key, change, self.now));
        }
        Ok(read::upsert(self.dialect).run(self.db, rows).await?)
    }
}

impl Known {
    /// Whether a session's change can change its row. Most webhooks tell the identity that is
    /// already committed; leaving those out keeps workers off one another's session rows.
    fn is_news(&self, key: &SessionKey, change: &SessionChange) -> bool {
        let committed = self.identities.get(key).copied().unwrap_or(Version::default());
        let told = change.identity.as_ref().map_or(Version::default(), |identity| identity.version);
        !self.sessions.contains_key(key) || change.status.is_some() || told > committed
    }

    pub(super) fn session(&self, key: &SessionKey) -> Result<i64, StoreError> {
        self.sessions.get(key).copied().ok_or(Vanished("waha_sessions"))
    }

    pub(super) fn chat(&self, key: &ChatKey) -> Result<i64, StoreError> {
        self.chats.get(key).copied().ok_or(Vanished("waha_chats"))
    }
}

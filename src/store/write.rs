//! Writes merged changes: sessions, people, chats, messages and what is about them, calls, reads and
//! the rest, each table in key order.
//!
//! Called by `apply` within its transaction.

mod about_messages;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::dialect::Dialect;
use super::fence::Use;
use super::ids::Known;
use super::rows::{call, chat, label, message, participant, read, session, status, user};
use super::select::Owner;
use super::transaction::CheckedTransaction;
use super::{StoreError, StoreError::Vanished};
use super::{select, settle};
use crate::change::{
    Changes, ChatKey, MessageKey, Named, Names, SessionChange, SessionKey, Version,
};

/// A transaction that changes are written in.
pub(super) struct Writer<'a> {
    pub(super) db: &'a CheckedTransaction,
    pub(super) dialect: Dialect,
    pub(super) now: DateTime<Utc>,
}

/// What was written.
pub(super) struct Written {
    /// Ids and versions that hold once the transaction is committed.
    pub(super) known: Known,
    /// Messages that more than one author told, and who owns each row.
    pub(super) owners: HashMap<MessageKey, String>,
    /// The names under which people were written.
    names: Names,
}

impl Written {
    /// Whether these changes told a message that belongs to another author.
    pub(super) fn lost(&self, changes: &Changes) -> bool {
        changes.messages.iter().any(|(key, message)| {
            let mut key = key.clone();
            key.rename(&self.names);
            let owner = self.owners.get(&key);
            let name = |author| self.names.of(&key.chat.session, author);
            owner.is_some_and(|owner| message.told.keys().any(|author| name(author) != owner))
        })
    }
}

impl Writer<'_> {
    /// Writes all changes; `known` holds what was committed before.
    pub(super) async fn write(
        &self,
        changes: Changes,
        mut known: Known,
    ) -> Result<Written, StoreError> {
        let (first, last) = self.told_sessions(&changes.sessions, &known);
        self.write_sessions(&first, &changes.sessions, &mut known).await?;
        self.write_statuses(&changes, &known).await?;
        let (names, moved, late) = self.name_people(&changes, &mut known).await?;
        let told = changes.chats.keys().cloned().collect();
        let mut changes = changes.renamed(&names);
        let unsettled = moved.tell(&mut changes);
        let busy = self.write_chats(told, &changes.chats, &names, &mut known).await?;
        let owners = self.write_messages(&changes, &known).await?;
        self.write_about_messages(&changes, &known).await?;
        let owners = self.settle(&changes, owners, unsettled, &known).await?;
        self.write_calls(&changes, &known).await?;
        self.write_reads(&changes, &known).await?;
        self.write_members(&changes, &known).await?;
        self.write_labels(&changes, &known).await?;
        // Rows that every worker writes are locked last, always in this order.
        let busy = busy.iter().map(|key| (key, &changes.chats[key]));
        self.tell_chats(&chat::upsert(self.dialect), busy, &known).await?;
        self.tell_names(&late, &known).await?;
        self.tell_sessions(&last, &changes.sessions, &mut known).await?;
        Ok(Written { known, owners, names })
    }

    /// Sessions of which there is news: those to be written first, and those to be written last.
    ///
    /// Every worker writes the same few rows: last, they are locked while the transaction commits,
    /// and not while it writes the rest. MySQL fences them from the start anyway.
    fn told_sessions(
        &self,
        sessions: &BTreeMap<SessionKey, SessionChange>,
        known: &Known,
    ) -> (Vec<SessionKey>, Vec<SessionKey>) {
        let told = sessions.iter().filter(|(key, change)| known.is_news(key, change));
        told.map(|(key, _)| key.clone()).partition(|_| self.dialect == Dialect::MySql)
    }

    /// Makes rows for new sessions, because all else needs their ids.
    async fn write_sessions(
        &self,
        told: &[SessionKey],
        sessions: &BTreeMap<SessionKey, SessionChange>,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let purpose = if told.is_empty() { Use::Refer } else { Use::Update };
        let ids = known.sessions.values().copied().collect();
        self.fence("waha_sessions", ids, purpose).await?;
        let unknown: Vec<&SessionKey> =
            sessions.keys().filter(|key| !known.sessions.contains_key(key)).collect();
        let nothing = SessionChange::default();
        let rows = unknown.iter().map(|key| session::row(key, &nothing, self.now)).collect();
        session::make(self.dialect).run(self.db, rows).await?;
        known.sessions.extend(select::session_ids(self.db, &unknown).await?);
        self.tell_sessions(told, sessions, known).await
    }

    async fn tell_sessions(
        &self,
        told: &[SessionKey],
        sessions: &BTreeMap<SessionKey, SessionChange>,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let rows = told.iter().map(|key| session::row(key, &sessions[key], self.now)).collect();
        session::upsert(self.dialect).run(self.db, rows).await?;
        let mut identified = Vec::new();
        for key in told {
            if let Some(identity) = &sessions[key].identity {
                identified.push(known.session(key)?);
                known.identities.insert(key.clone(), identity.version);
            }
        }
        identified.sort_unstable();
        Ok(user::follow(self.db, self.dialect, &identified, self.now).await?)
    }

    async fn write_statuses(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for (key, change) in &changes.sessions {
            for point in &change.history {
                rows.push(status::row(known.session(key)?, point, self.now));
            }
        }
        Ok(status::upsert(self.dialect).run(self.db, rows).await?)
    }

    /// Returns who owns the rows of those that were told.
    async fn write_messages(
        &self,
        changes: &Changes,
        known: &Known,
    ) -> Result<HashMap<MessageKey, Owner>, StoreError> {
        let amended = settle::amended(changes);
        let mut rows = Vec::with_capacity(changes.messages.len());
        for (key, change) in &changes.messages {
            let (session, chat) = (known.session(&key.chat.session)?, known.chat(&key.chat)?);
            let is_amended = amended.contains(key);
            rows.push(message::row(session, chat, key, change, is_amended, self.now));
        }
        let upsert = message::upsert(self.dialect);
        if self.dialect.returns_rows() {
            let rows = upsert.run_returning(self.db, rows, &select::OWNER).await?;
            return select::returned_owners(rows, &changes.messages, known);
        }
        upsert.run(self.db, rows).await?;
        select::message_owners(self.db, &changes.messages, known).await
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

    async fn write_members(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(changes.participants.len());
        for (key, change) in &changes.participants {
            rows.push(participant::row(known.chat(&key.chat)?, key, change, self.now));
        }
        participant::upsert(self.dialect).run(self.db, rows).await?;
        let mut rows = Vec::with_capacity(changes.join_requests.len());
        for (key, change) in &changes.join_requests {
            rows.push(participant::request_row(known.chat(&key.0.chat)?, key, change, self.now));
        }
        Ok(participant::upsert_request(self.dialect).run(self.db, rows).await?)
    }

    async fn write_labels(&self, changes: &Changes, known: &Known) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(changes.labels.len());
        for (key, change) in &changes.labels {
            rows.push(label::row(known.session(&key.session)?, key, change, self.now));
        }
        label::upsert(self.dialect).run(self.db, rows).await?;
        let mut rows = Vec::with_capacity(changes.chat_labels.len());
        for (key, change) in &changes.chat_labels {
            rows.push(label::on_chat_row(known.chat(&key.chat)?, key, change, self.now));
        }
        Ok(label::upsert_on_chat(self.dialect).run(self.db, rows).await?)
    }
}

impl Known {
    /// Whether a session's change can change its row. Most webhooks tell the identity that is
    /// already committed; leaving those out keeps workers off one another's session rows.
    fn is_news(&self, key: &SessionKey, change: &SessionChange) -> bool {
        let committed = self.identities.get(key).copied().unwrap_or(Version::default());
        let told = change.identity.as_ref().map_or(Version::default(), |identity| identity.version);
        change.tells_more_than_identity() || told > committed
    }

    pub(super) fn session(&self, key: &SessionKey) -> Result<i64, StoreError> {
        self.sessions.get(key).copied().ok_or(Vanished("waha_sessions"))
    }

    pub(super) fn chat(&self, key: &ChatKey) -> Result<i64, StoreError> {
        self.chats.get(key).copied().ok_or(Vanished("waha_chats"))
    }
}

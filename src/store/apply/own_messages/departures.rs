//! What is own leaves a conversation that is not the message's home, or is not any more.
//!
//! Rare: an ack under another name came first, or a message was told under two. The row of the message
//! is taken away and told again, as where people are merged (`identity/move_messages`); edits and
//! revocations move. What others told and did under the id stays, as if the message had never been here.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::QueryResult;

use crate::change::{Changes, ME, Merge, MessageChange, MessageKey};
use crate::store::apply::last_message::{Sides, refresh_last_message};
use crate::store::apply::message_rows::of_messages;
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::identity::move_keys::copy_rows;
use crate::store::identity::move_messages::{delete_rows, telling};
use crate::store::identity::pointers;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;
use crate::store::sql::upsert::MergeRules;
use crate::store::tables::edit;

const MESSAGES: &str = "waha_messages";
const CLAIMS: &str = "waha_message_claims";
/// Tables whose rows name a message and need its row.
const DEPENDENT: [&str; 6] = [
    edit::EDITS,
    edit::REVOCATIONS,
    "waha_reactions",
    "waha_poll_votes",
    "waha_event_responses",
    "waha_message_acks",
];

/// Messages that leave, with where they go.
pub(in crate::store::apply) struct Departures {
    left: BTreeMap<MessageKey, MessageKey>,
    /// Conversations that may have lost their last message.
    shortened: BTreeSet<i64>,
    /// Rows that were emptied, with the messages they are to point to.
    retired: Vec<(i64, MessageKey)>,
}

/// A message that leaves.
struct Departure<'a> {
    context: &'a WriteContext<'a>,
    known: &'a KnownRows,
    from: BTreeSet<MessageKey>,
    to: &'a MessageKey,
}

impl Departures {
    pub(super) fn new(left: BTreeMap<MessageKey, MessageKey>) -> Self {
        Self { left, shortened: BTreeSet::new(), retired: Vec::new() }
    }

    /// Where they are.
    pub(in crate::store::apply) fn places(&self) -> impl Iterator<Item = &MessageKey> {
        self.left.iter().flat_map(|(place, home)| [place, home])
    }

    /// Takes their rows away and adds what these held to the changes; returns the messages that are to be
    /// derived anew. After the chats are written, before the messages are.
    pub(in crate::store::apply) async fn leave(
        &mut self,
        context: &WriteContext<'_>,
        changes: &mut Changes,
        known: &KnownRows,
    ) -> Result<BTreeSet<MessageKey>, StoreError> {
        let mut unresolved = BTreeSet::new();
        if self.left.is_empty() {
            return Ok(unresolved);
        }
        let told = self.leave_changes(changes, known)?;
        let places: BTreeSet<MessageKey> = self.left.keys().cloned().collect();
        let mut found: BTreeMap<&MessageKey, i64> = BTreeMap::new();
        for (key, row) in of_messages(context.db, MESSAGES, &places, known).await? {
            if told.contains(key) || may_hold_own(&row)? {
                found.insert(key, row.try_get("", "id")?);
            }
        }
        for (from, id) in found {
            let departure =
                Departure { context, known, from: [from.clone()].into(), to: &self.left[from] };
            // Others may be telling something of the message: its row is what they lock.
            lock_row(context.db, MESSAGES, id).await?;
            if departure.leave(changes, &mut unresolved).await? {
                self.shortened.insert(known.chat(&from.chat)?);
            }
            self.retired.push((id, departure.to.clone()));
        }
        Ok(unresolved)
    }

    /// Points the emptied rows to those of their messages, which are written by now.
    pub(in crate::store::apply) async fn point(
        &self,
        context: &WriteContext<'_>,
        known: &KnownRows,
    ) -> Result<(), StoreError> {
        let messages = self.retired.iter().map(|(_, to)| to.clone()).collect();
        for (key, row) in of_messages(context.db, MESSAGES, &messages, known).await? {
            for (id, _) in self.retired.iter().filter(|(_, to)| to == key) {
                pointers::point(context, *id, row.try_get("", "id")?).await?;
            }
        }
        Ok(())
    }

    /// What is own of these messages and not told by the batch comes from rows of people who were merged.
    /// Returns those that the changes name, whose rows know nothing yet of what has moved to them.
    fn leave_changes(
        &mut self,
        changes: &mut Changes,
        known: &KnownRows,
    ) -> Result<BTreeSet<MessageKey>, StoreError> {
        let mut told = BTreeSet::new();
        for (from, to) in &self.left {
            let Some(message) = changes.messages.get_mut(from) else { continue };
            message.own_status = None;
            if message.told.contains_key(ME) {
                self.shortened.insert(known.chat(&from.chat)?);
            }
            changes.bring_home(from, to);
            told.insert(from.clone());
        }
        Ok(told)
    }

    /// Says anew when the last message of a conversation was that lost one, as far as its rows tell. After
    /// the chats of the batch are told.
    pub(in crate::store::apply) async fn refresh_chats(
        &self,
        context: &WriteContext<'_>,
    ) -> Result<(), StoreError> {
        for id in &self.shortened {
            refresh_last_message(context, *id, Sides::Mine).await?;
        }
        Ok(())
    }
}

/// Whether a row may hold what the own account told or did. Nobody else writes that now, so it need not be
/// locked to know; a row that only others need, such as for a reaction, stays as it is.
fn may_hold_own(row: &QueryResult) -> Result<bool, StoreError> {
    let author: Option<String> = row.try_get("", "author")?;
    let received: Option<i16> = row.try_get("", "received_rank")?;
    let is_own_status = row.try_get::<i16>("", "status_rank")? > received.unwrap_or(-1);
    Ok(author.as_deref() == Some(ME) || is_own_status || row.try_get("", "is_amended")?)
}

impl Departure<'_> {
    /// Returns whether the message itself was here.
    async fn leave(
        &self,
        changes: &mut Changes,
        unresolved: &mut BTreeSet<MessageKey>,
    ) -> Result<bool, StoreError> {
        let mut telling = self.take_tellings().await?;
        let mine = telling.told.remove(ME);
        let was_here = mine.is_some();
        if let Some(mine) = mine {
            changes.message(self.to).told.merge_in([(ME.to_owned(), mine)].into());
        }
        // Its status is known to its own row.
        telling.own_status = None;
        self.move_mine(edit::edits(self.context.dialect.into()).rules()).await?;
        self.move_mine(edit::revocations(self.context.dialect.into()).rules()).await?;
        unresolved.insert(self.to.clone());
        if telling != MessageChange::default() || self.is_needed().await? {
            for key in &self.from {
                changes.message(key).merge_in(telling.clone());
                unresolved.insert(key.clone());
            }
        }
        Ok(was_here)
    }

    /// What all authors told, taken away with its rows.
    async fn take_tellings(&self) -> Result<MessageChange, StoreError> {
        let mut tellings = MessageChange::default();
        for (table, is_message) in [(MESSAGES, true), (CLAIMS, false)] {
            let rows = self.rows(table).await?;
            for row in &rows {
                tellings.merge_in(telling(row, is_message)?);
            }
            if is_message {
                for row in &rows {
                    pointers::retire(self.context, row).await?;
                }
            } else {
                self.delete(table, rows.iter()).await?;
            }
        }
        Ok(tellings)
    }

    /// Moves what the own account did to the message.
    async fn move_mine(&self, rules: MergeRules) -> Result<(), StoreError> {
        let rows = self.rows(rules.table).await?;
        let mut mine = Vec::new();
        for row in rows {
            if row.try_get::<String>("", "author")? == ME {
                mine.push(row);
            }
        }
        if mine.is_empty() {
            return Ok(());
        }
        let ids = ids(mine.iter())?;
        let to = self.known.chat(&self.to.chat)?.into();
        copy_rows(self.context, &rules, "chat_id", &to, &ids).await?;
        self.delete(rules.table, mine.iter()).await
    }

    /// Whether anybody else did something to the message here.
    async fn is_needed(&self) -> Result<bool, StoreError> {
        for table in DEPENDENT {
            if !self.rows(table).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn rows(&self, table: &'static str) -> Result<Vec<QueryResult>, StoreError> {
        let found = of_messages(self.context.db, table, &self.from, self.known).await?;
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    async fn delete<'r>(
        &self,
        table: &'static str,
        rows: impl Iterator<Item = &'r QueryResult>,
    ) -> Result<(), StoreError> {
        let ids = ids(rows)?;
        if ids.is_empty() { Ok(()) } else { delete_rows(self.context, table, ids).await }
    }
}

fn ids<'r>(rows: impl Iterator<Item = &'r QueryResult>) -> Result<Vec<i64>, StoreError> {
    Ok(rows.map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

//! Writes merged changes: sessions, where own messages are, people, chats, messages, and what belongs to
//! them, each table in key order.
//!
//! Called by `apply` within its transaction.

mod details;
pub(super) mod files;
pub(super) mod moved;
mod session_users;
mod sessions;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::QueryResult;

use super::conflicts::{Unresolved, amended, resolve_conflicts};
use super::message_rows::{MessageOwner, by_message, message_owners, owners, told};
use super::own_messages::{Homes, bring_home};
use super::reread::Tellers;
use crate::change::{Changes, MessageChange, MessageKey, Named, Names};
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::ChangeKind;
use crate::store::identity::chats::{upsert_chats, write_chats};
use crate::store::identity::known::KnownRows;
use crate::store::identity::move_chat::bring_named_home;
use crate::store::identity::people::{resolve_people, write_names};
use crate::store::sql::error::StoreError;
use crate::store::tables::message;

use details::write_details;
use files::ToldFile;
use sessions::{split_sessions, update_sessions, write_sessions, write_statuses};

/// What was written.
pub(in crate::store) struct WrittenChanges {
    /// Ids and versions that hold once the transaction is committed.
    pub(in crate::store) known: KnownRows,
    /// Messages that more than one author told, and who owns each row.
    pub(in crate::store) owners: HashMap<MessageKey, String>,
    /// The names under which people were written.
    names: Names,
    /// Where the own messages of direct chats went.
    homes: Homes,
    /// Of how many messages something was taken back that history does not tell any more.
    pub(in crate::store) taken_back: usize,
    /// Messages of which a file was told.
    pub(in crate::store::apply) files: Vec<ToldFile>,
}

impl WrittenChanges {
    /// Whether these changes told a message that belongs to another author.
    pub(in crate::store) fn lost(&self, changes: &Changes) -> bool {
        let is_lost = |key: &MessageKey, author: &str| {
            let mut key = self.homes.of(key, author).clone();
            key.rename(&self.names);
            let owner = self.owners.get(&key);
            owner.is_some_and(|owner| self.names.of(&key.chat.session, author) != owner)
        };
        let mut told = changes.messages.iter();
        told.any(|(key, message)| message.told.keys().any(|author| is_lost(key, author)))
    }
}

/// Writes all changes; `known` holds what was committed before, `tellers` who of the webhooks is read again.
pub(in crate::store) async fn write_changes(
    context: &WriteContext<'_>,
    mut changes: Changes,
    tellers: Tellers,
    mut known: KnownRows,
) -> Result<WrittenChanges, StoreError> {
    let (first, last) = split_sessions(context, &changes.sessions, &known);
    write_sessions(context, &first, &changes.sessions, &mut known).await?;
    write_statuses(context, &changes, &known).await?;
    let homes = bring_home(context, &mut changes, &known).await?;
    let (names, retold, deferred) = resolve_people(context, &changes, &mut known).await?;
    let told = changes.chats.keys().cloned().collect();
    let mut changes = changes.renamed(&names);
    let mut unresolved = retold.add_to(&mut changes);
    let busy = write_chats(context, told, &changes.chats, &names, &mut known).await?;
    let mut departures = homes.departures(&names);
    let tellers = tellers.placed(&homes, &names);
    let messages = changes.messages.keys().chain(departures.places()).chain(tellers.messages());
    let messages = messages.cloned().collect();
    unresolved.extend(bring_named_home(context, &mut changes, messages, &known).await?);
    unresolved.extend(departures.leave(context, &mut changes, &known).await?);
    let shown = tellers.shown(context, &known).await?;
    let (owners, files) = write_messages(context, &changes, &known).await?;
    departures.point(context, &known).await?;
    write_details(context, &changes, &known).await?;
    let outdated = tellers.outdated(context, &changes, &known).await?;
    let mut taken_back = outdated.clone();
    let also = Unresolved { merged: unresolved, outdated };
    let owners = resolve_conflicts(context, &changes, owners, &tellers, also, &known).await?;
    // Rows that every worker writes are locked last, always in this order.
    let busy = busy.iter().map(|key| (key, &changes.chats[key]));
    upsert_chats(context, busy, &known).await?;
    departures.refresh_chats(context).await?;
    taken_back.extend(tellers.refresh_chats(context, shown, &known).await?);
    write_names(context, &deferred, &known).await?;
    update_sessions(context, &last, &changes.sessions, &mut known).await?;
    Ok(WrittenChanges { known, owners, names, homes, taken_back: taken_back.len(), files })
}

/// Returns who owns the rows of those that were told, and whose files were told.
async fn write_messages(
    context: &WriteContext<'_>,
    changes: &Changes,
    known: &KnownRows,
) -> Result<(HashMap<MessageKey, MessageOwner>, Vec<ToldFile>), StoreError> {
    let amended = amended(changes);
    let mut rows = Vec::with_capacity(changes.messages.len());
    for (key, change) in &changes.messages {
        let (session, chat) = (known.session(&key.chat.session)?, known.chat(&key.chat)?);
        let is_amended = amended.contains(key);
        rows.push(message::row(session, chat, key, change, is_amended, context.now));
    }
    let upsert = message::upsert(context.merging());
    let written = upsert.run_changed(context.db, rows, &WRITTEN, context.now).await?;
    let written = by_message(written, &changes.messages, known)?;
    let mut files = Vec::new();
    for (key, row) in &written {
        files.extend(ToldFile::of(key, &changes.messages[*key], row)?);
        if let Some(kind) = kind(context, &changes.messages[*key], row)? {
            context.log.add_as(&message::FOLLOWED, kind, row)?;
        }
    }
    let mut owners = owners(written)?;
    let unchanged = told(&changes.messages).into_iter().filter(|key| !owners.contains_key(*key));
    let unchanged: Vec<&MessageKey> = unchanged.collect();
    owners.extend(message_owners(context.db, &unchanged, known).await?);
    Ok((owners, files))
}

/// What is read of a message's row that changed.
const WRITTEN: [&str; 8] =
    ["id", "session_id", "chat_id", "message_id", "is_stub", "stored_at", "author", "is_amended"];

/// What happened to a message; none if applications don't see it.
fn kind(
    context: &WriteContext<'_>,
    change: &MessageChange,
    row: &QueryResult,
) -> Result<Option<ChangeKind>, StoreError> {
    let stored_at: Option<DateTime<Utc>> = row.try_get("", "stored_at")?;
    Ok(match row.try_get("", "is_stub")? {
        true => None,
        false if stored_at == Some(context.now) => Some(ChangeKind::MessageCreated),
        false if change.told.is_empty() => Some(ChangeKind::MessageStatus),
        false => Some(ChangeKind::MessageUpdated),
    })
}

//! History that is read again: what its webhooks told an older normalizer and don't tell any more.
//!
//! A register says under which version it was told, and a version names its webhook, so what a webhook told
//! is found by the version alone. What it tells now replaces that (`sql/merging`); what it does not tell is
//! taken back here. A message of which nothing remains is hidden: its row stays as a stub, because
//! applications may refer to it.
//!
//! A register knows nothing of the tellings that it was newer than. Once one is taken back, those have to be
//! told again: whoever reads history again does so until nothing was taken back.
//!
//! Called by `write`. Of webhooks that are new nothing is kept here, and nothing asked.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::ApplyTask;
use super::conflicts::stored_tellings;
use super::last_message::{Sides, refresh_last_message};
use super::message_rows::{CHAT_AND_ID, of_messages, rows_of};
use super::own_messages::Homes;
use crate::change::{Changes, MessageKey, Named, Names, Register, Told, Version};
use crate::normalize::Normalized;
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;

const MESSAGES: &str = "waha_messages";
/// Whether a message can be a last one.
const STATE: [&str; 4] = [CHAT_AND_ID.0, CHAT_AND_ID.1, "is_stub", "is_notice"];

/// The versions of webhooks that are read again, by the messages that they name.
#[derive(Default)]
pub(in crate::store) struct Tellers(BTreeMap<MessageKey, BTreeSet<Version>>);

impl Tellers {
    /// Of webhooks that are read again.
    pub(super) fn of(tasks: &[ApplyTask<'_>]) -> Self {
        let mut tellers = Self::default();
        for task in tasks {
            if let Normalized::Changes(changes) = &task.normalized {
                tellers.add(changes, Version::of(task.webhook));
            }
        }
        tellers
    }

    /// The messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = &MessageKey> {
        self.0.keys()
    }

    fn add(&mut self, changes: &Changes, version: Version) {
        for key in changes.messages.keys().chain(&changes.acts) {
            self.0.entry(key.clone()).or_default().insert(version);
        }
    }

    /// The same where the messages are by now.
    pub(super) fn placed(self, homes: &Homes, names: &Names) -> Self {
        let mut placed = Self::default();
        for (key, versions) in self.0 {
            for place in homes.places(&key) {
                let mut place = place.clone();
                place.rename(names);
                placed.0.entry(place).or_default().extend(&versions);
            }
        }
        placed
    }

    /// Messages that can be the last ones of their chats.
    pub(super) async fn shown(
        &self,
        context: &WriteContext<'_>,
        known: &KnownRows,
    ) -> Result<BTreeSet<MessageKey>, StoreError> {
        let keys: Vec<&MessageKey> = self.0.keys().collect();
        let mut shown = BTreeSet::new();
        for (key, row) in rows_of(context.db, MESSAGES, &STATE, &keys, known).await? {
            if !row.try_get::<bool>("", "is_stub")? && !row.try_get::<bool>("", "is_notice")? {
                shown.insert(key.clone());
            }
        }
        Ok(shown)
    }

    /// Messages that show what their webhooks don't tell any more; their rows are locked. After the messages
    /// of the batch are written.
    pub(super) async fn outdated(
        &self,
        context: &WriteContext<'_>,
        changes: &Changes,
        known: &KnownRows,
    ) -> Result<BTreeSet<MessageKey>, StoreError> {
        let keys = self.0.keys().cloned().collect();
        let mut outdated = BTreeSet::new();
        for (key, tellings) in stored_tellings(context, &keys, known).await? {
            let is_outdated = |(author, told): (&String, &Told)| {
                self.remaining(&key, told.clone(), now(changes, &key, author)).as_ref()
                    != Some(told)
            };
            if tellings.iter().any(is_outdated) {
                outdated.insert(key);
            }
        }
        for (key, row) in of_messages(context.db, MESSAGES, &outdated, known).await? {
            if !changes.messages.contains_key(key) {
                lock_row(context.db, MESSAGES, row.try_get("", "id")?).await?;
            }
        }
        Ok(outdated)
    }

    /// What remains of what authors told of a message.
    pub(super) fn take_back(
        &self,
        key: &MessageKey,
        tellings: BTreeMap<String, Told>,
        changes: &Changes,
    ) -> BTreeMap<String, Told> {
        let remaining = |(author, told): (String, Told)| {
            let told = self.remaining(key, told, now(changes, key, &author))?;
            Some((author, told))
        };
        tellings.into_iter().filter_map(remaining).collect()
    }

    fn remaining(&self, key: &MessageKey, stored: Told, now: Option<&Told>) -> Option<Told> {
        let Some(versions) = self.0.get(key) else { return Some(stored) };
        let Told { first, content, text, sender_name, reply, media } = stored;
        let content = kept(versions, Some(content), now.map(|now| &now.content))?;
        Some(Told {
            first,
            content,
            text: kept(versions, text, now.and_then(|now| now.text.as_ref())),
            sender_name: kept(versions, sender_name, now.and_then(|now| now.sender_name.as_ref())),
            reply: kept(versions, reply, now.and_then(|now| now.reply.as_ref())),
            media: kept(versions, media, now.and_then(|now| now.media.as_ref())),
        })
    }

    /// Says anew what the last messages of chats are that show fewer than `before`, as far as their rows tell,
    /// and returns which messages they don't show any more. Last of all.
    pub(super) async fn refresh_chats(
        &self,
        context: &WriteContext<'_>,
        before: BTreeSet<MessageKey>,
        known: &KnownRows,
    ) -> Result<BTreeSet<MessageKey>, StoreError> {
        let now = self.shown(context, known).await?;
        let hidden: BTreeSet<MessageKey> = before.difference(&now).cloned().collect();
        let chats: BTreeSet<i64> =
            hidden.iter().map(|key| known.chat(&key.chat)).collect::<Result<_, _>>()?;
        for chat in chats {
            refresh_last_message(context, chat, Sides::Both).await?;
        }
        Ok(hidden)
    }
}

/// What an author tells of a message now.
fn now<'a>(changes: &'a Changes, key: &MessageKey, author: &str) -> Option<&'a Told> {
    changes.messages.get(key)?.told.get(author)
}

/// A stored register, unless one of these webhooks told it and tells less now.
fn kept<T>(
    versions: &BTreeSet<Version>,
    stored: Option<Register<T>>,
    now: Option<&Register<T>>,
) -> Option<Register<T>> {
    let is_told = |stored: &Register<T>| now.is_some_and(|now| now.version >= stored.version);
    stored.filter(|it| is_told(it) || !versions.iter().any(|own| own.made(it.version)))
}

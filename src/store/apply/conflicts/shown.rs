//! What a message shows of its edits and revocations.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, QueryResult, Set};

use entity::waha_messages;

use crate::change::MessageKey;
use crate::store::apply::message_rows::of_messages;
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::ChangeKind;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::tables::edit::{EDITS, REVOCATIONS};
use crate::store::tables::{cut, message};

/// The columns that are derived.
#[derive(Clone, Debug, Default, PartialEq)]
struct ShownColumns {
    content: Option<String>,
    original_content: Option<String>,
    edited_at: Option<DateTime<Utc>>,
    edited_version: i64,
    revoked_at: Option<DateTime<Utc>>,
    revoked_by: Option<String>,
}

/// A message's row, as far as it matters here.
struct StoredMessage {
    row: QueryResult,
    is_stub: bool,
    author: Option<String>,
    shown: ShownColumns,
}

struct StoredEdit {
    version: i64,
    text: Option<String>,
    at: Option<DateTime<Utc>>,
}

struct StoredRevocation {
    version: i64,
    by: Option<String>,
    at: Option<DateTime<Utc>>,
}

/// Derives what these messages show and writes it where it differs.
pub(in crate::store) async fn derive_shown(
    context: &WriteContext<'_>,
    keys: &BTreeSet<MessageKey>,
    known: &KnownRows,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut rows = HashMap::new();
    for (key, row) in of_messages(context.db, "waha_messages", keys, known).await? {
        rows.insert(key, StoredMessage::read(row)?);
    }
    let edits = newest_edits(context, keys, known, &rows).await?;
    let revocations = first_revocations(context, keys, known, &rows).await?;
    let mut differing = Vec::new();
    // In the order of the keys, in which the rows were locked.
    for key in keys {
        let Some(row) = rows.get(key) else { continue };
        let shown = row.derive(edits.get(key), revocations.get(key));
        if shown != row.shown {
            if !row.is_stub {
                context.log.add_as(&message::FOLLOWED, row.kind(&shown), &row.row)?;
            }
            let session = known.session(&key.chat.session)?;
            differing.push(shown.row(
                session,
                known.chat(&key.chat)?,
                &key.message_id,
                context.now,
            ));
        }
    }
    Ok(message::shown(context.dialect).run(context.db, differing).await?)
}

async fn newest_edits<'a>(
    context: &WriteContext<'_>,
    keys: &'a BTreeSet<MessageKey>,
    known: &KnownRows,
    rows: &HashMap<&'a MessageKey, StoredMessage>,
) -> Result<HashMap<&'a MessageKey, StoredEdit>, StoreError> {
    let mut newest: HashMap<&MessageKey, StoredEdit> = HashMap::new();
    for (key, row) in of_messages(context.db, EDITS, keys, known).await? {
        let edit = StoredEdit {
            version: row.try_get("", "edit_version")?,
            text: row.try_get("", "content")?,
            at: row.try_get("", "edited_at")?,
        };
        let author: String = row.try_get("", "author")?;
        let counts = edit.text.is_some() && rows.get(key).is_some_and(|it| it.is_of(&author));
        if counts && newest.get(key).is_none_or(|other| edit.version > other.version) {
            newest.insert(key, edit);
        }
    }
    Ok(newest)
}

async fn first_revocations<'a>(
    context: &WriteContext<'_>,
    keys: &'a BTreeSet<MessageKey>,
    known: &KnownRows,
    rows: &HashMap<&'a MessageKey, StoredMessage>,
) -> Result<HashMap<&'a MessageKey, StoredRevocation>, StoreError> {
    let mut first: HashMap<&MessageKey, StoredRevocation> = HashMap::new();
    for (key, row) in of_messages(context.db, REVOCATIONS, keys, known).await? {
        let revocation = StoredRevocation {
            version: row.try_get("", "revocation_version")?,
            by: row.try_get("", "revoked_by")?,
            at: row.try_get("", "revoked_at")?,
        };
        let author: String = row.try_get("", "author")?;
        let counts = row.try_get::<bool>("", "is_verified")?
            || rows.get(key).is_some_and(|it| it.is_of(&author));
        if counts && first.get(key).is_none_or(|other| revocation.version < other.version) {
            first.insert(key, revocation);
        }
    }
    Ok(first)
}

impl ShownColumns {
    /// For [`message::shown`].
    fn row(
        self,
        session_id: i64,
        chat_id: i64,
        message_id: &str,
        now: DateTime<Utc>,
    ) -> waha_messages::ActiveModel {
        waha_messages::ActiveModel {
            session_id: Set(session_id),
            chat_id: Set(chat_id),
            message_id: Set(cut(message_id, 255)),
            content: Set(self.content),
            original_content: Set(self.original_content),
            edited_at: Set(self.edited_at),
            edited_version: Set(self.edited_version),
            revoked_at: Set(self.revoked_at),
            revoked_by: Set(self.revoked_by),
            updated_at: Set(now),
            ..waha_messages::ActiveModel::default()
        }
    }
}

impl StoredMessage {
    fn read(row: QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            is_stub: row.try_get("", "is_stub")?,
            author: row.try_get("", "author")?,
            shown: ShownColumns {
                content: row.try_get("", "content")?,
                original_content: row.try_get("", "original_content")?,
                edited_at: row.try_get("", "edited_at")?,
                edited_version: row.try_get("", "edited_version")?,
                revoked_at: row.try_get("", "revoked_at")?,
                revoked_by: row.try_get("", "revoked_by")?,
            },
            row,
        })
    }

    /// What happened, if it is to show this.
    fn kind(&self, to_show: &ShownColumns) -> ChangeKind {
        if to_show.revoked_at != self.shown.revoked_at && to_show.revoked_at.is_some() {
            ChangeKind::MessageRevoked
        } else if to_show.edited_version != self.shown.edited_version {
            ChangeKind::MessageEdited
        } else {
            ChangeKind::MessageUpdated
        }
    }

    /// Whether what this author does to the message counts.
    fn is_of(&self, author: &str) -> bool {
        self.author.as_deref().is_none_or(|owner| owner == author)
    }

    fn derive(
        &self,
        edit: Option<&StoredEdit>,
        revocation: Option<&StoredRevocation>,
    ) -> ShownColumns {
        let shown = &self.shown;
        let is_edited = shown.edited_version > 0;
        let told = if is_edited { &shown.original_content } else { &shown.content };
        ShownColumns {
            content: edit.map_or_else(|| told.clone(), |edit| edit.text.clone()),
            original_content: edit.and_then(|_| told.clone()),
            edited_at: edit.and_then(|edit| edit.at),
            edited_version: edit.map_or(0, |edit| edit.version),
            revoked_at: revocation.and_then(|revocation| revocation.at),
            revoked_by: revocation.and_then(|revocation| revocation.by.clone()),
        }
    }
}

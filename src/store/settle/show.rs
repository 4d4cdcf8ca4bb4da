//! What a message shows of its edits and revocations.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, QueryResult, Value};

use crate::change::MessageKey;
use crate::store::StoreError;
use crate::store::ids::Known;
use crate::store::rows::edit::{EDITS, REVOCATIONS};
use crate::store::rows::{cut, message};
use crate::store::select;
use crate::store::write::Writer;

/// The columns that are derived.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    content: Option<String>,
    original_content: Option<String>,
    edited_at: Option<DateTime<Utc>>,
    edited_version: i64,
    revoked_at: Option<DateTime<Utc>>,
    revoked_by: Option<String>,
}

/// A message's row, as far as it matters here.
struct Row {
    author: Option<String>,
    shown: Shown,
}

struct Edit {
    version: i64,
    text: Option<String>,
    at: Option<DateTime<Utc>>,
}

struct Revocation {
    version: i64,
    by: Option<String>,
    at: Option<DateTime<Utc>>,
}

impl Writer<'_> {
    /// Derives what these messages show and writes it where it differs.
    pub(in crate::store) async fn show(
        &self,
        keys: &BTreeSet<MessageKey>,
        known: &Known,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut rows = HashMap::new();
        for (key, row) in select::of_messages(self.db, "waha_messages", keys, known).await? {
            rows.insert(key, Row::read(&row)?);
        }
        let edits = self.newest_edits(keys, known, &rows).await?;
        let revocations = self.first_revocations(keys, known, &rows).await?;
        let mut differing = Vec::new();
        // In the order of the keys, in which the rows were locked.
        for key in keys {
            let Some(row) = rows.get(key) else { continue };
            let shown = row.derive(edits.get(key), revocations.get(key));
            if shown != row.shown {
                let session = known.session(&key.chat.session)?;
                differing.push(shown.row(session, known.chat(&key.chat)?, &key.message_id));
            }
        }
        Ok(message::shown(self.dialect).run(self.db, differing).await?)
    }

    async fn newest_edits<'a>(
        &self,
        keys: &'a BTreeSet<MessageKey>,
        known: &Known,
        rows: &HashMap<&'a MessageKey, Row>,
    ) -> Result<HashMap<&'a MessageKey, Edit>, StoreError> {
        let mut newest: HashMap<&MessageKey, Edit> = HashMap::new();
        for (key, row) in select::of_messages(self.db, EDITS, keys, known).await? {
            let edit = Edit {
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
        &self,
        keys: &'a BTreeSet<MessageKey>,
        known: &Known,
        rows: &HashMap<&'a MessageKey, Row>,
    ) -> Result<HashMap<&'a MessageKey, Revocation>, StoreError> {
        let mut first: HashMap<&MessageKey, Revocation> = HashMap::new();
        for (key, row) in select::of_messages(self.db, REVOCATIONS, keys, known).await? {
            let revocation = Revocation {
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
}

impl Shown {
    /// The values of [`message::shown`].
    fn row(self, session_id: i64, chat_id: i64, message_id: &str) -> Vec<Value> {
        vec![
            session_id.into(),
            chat_id.into(),
            cut(message_id, 255),
            self.content.into(),
            self.original_content.into(),
            self.edited_at.into(),
            self.edited_version.into(),
            self.revoked_at.into(),
            self.revoked_by.into(),
        ]
    }
}

impl Row {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            author: row.try_get("", "author")?,
            shown: Shown {
                content: row.try_get("", "content")?,
                original_content: row.try_get("", "original_content")?,
                edited_at: row.try_get("", "edited_at")?,
                edited_version: row.try_get("", "edited_version")?,
                revoked_at: row.try_get("", "revoked_at")?,
                revoked_by: row.try_get("", "revoked_by")?,
            },
        })
    }

    /// Whether what this author does to the message counts.
    fn is_of(&self, author: &str) -> bool {
        self.author.as_deref().is_none_or(|owner| owner == author)
    }

    fn derive(&self, edit: Option<&Edit>, revocation: Option<&Revocation>) -> Shown {
        let shown = &self.shown;
        let is_edited = shown.edited_version > 0;
        let told = if is_edited { &shown.original_content } else { &shown.content };
        Shown {
            content: edit.map_or_else(|| told.clone(), |edit| edit.text.clone()),
            original_content: edit.and_then(|_| told.clone()),
            edited_at: edit.and_then(|edit| edit.at),
            edited_version: edit.map_or(0, |edit| edit.version),
            revoked_at: revocation.and_then(|revocation| revocation.at),
            revoked_by: revocation.and_then(|revocation| revocation.by.clone()),
        }
    }
}

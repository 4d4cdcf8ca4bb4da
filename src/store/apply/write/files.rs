//! Files that messages tell of: each gets a row of `waha_attachments`, in the transaction of its message.
//!
//! Called by `write`, which sees who owns a message, and by `batch`. Only of sessions whose files are kept.

use sea_orm::QueryResult;

use crate::change::{Media, MessageChange, MessageKey};
use crate::store::KeptFiles;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError;
use crate::store::tables::attachment;

/// A file that the owner of a message told.
pub(in crate::store::apply) struct ToldFile {
    message: MessageKey,
    message_row_id: i64,
    session_id: i64,
    /// None if it was only told that there is one.
    media: Option<Media>,
}

impl ToldFile {
    /// That of a message's row as it was written; none if there is none, or if somebody else owns the row.
    pub(super) fn of(
        key: &MessageKey,
        change: &MessageChange,
        row: &QueryResult,
    ) -> Result<Option<Self>, StoreError> {
        let Some((author, told)) = change.owner() else { return Ok(None) };
        let media = told.media.as_ref().map(|media| &media.value);
        let has_file = told.content.value.has_media == Some(true)
            || media.is_some_and(|media| media.url.is_some());
        let owner: Option<String> = row.try_get("", "author")?;
        if !has_file || owner.as_deref() != Some(author) {
            return Ok(None);
        }
        Ok(Some(Self {
            message: key.clone(),
            message_row_id: row.try_get("", "id")?,
            session_id: row.try_get("", "session_id")?,
            media: media.cloned(),
        }))
    }

    fn has_link(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.url.is_some())
    }
}

/// Writes the rows of those that are kept. Returns whether there are any.
pub(in crate::store::apply) async fn write_files(
    context: &WriteContext<'_>,
    files: &[ToldFile],
    kept: &KeptFiles,
) -> Result<bool, StoreError> {
    let is_kept = |file: &&ToldFile| {
        let session = &file.message.chat.session;
        kept.takes(&session.source, &session.name)
    };
    let mut files: Vec<&ToldFile> = files.iter().filter(is_kept).collect();
    // The order in which everybody locks them.
    files.sort_unstable_by_key(|file| file.message_row_id);
    let row = |file: &&ToldFile| {
        let ToldFile { message, message_row_id, session_id, media } = file;
        let bare_id = &message.message_id;
        attachment::row(*session_id, *message_row_id, bare_id, media.as_ref(), context.now)
    };
    for has_link in [true, false] {
        let rows: Vec<_> =
            files.iter().filter(|file| file.has_link() == has_link).map(row).collect();
        if !rows.is_empty() {
            attachment::upsert(context.dialect, has_link).run(context.db, rows).await?;
        }
    }
    Ok(!files.is_empty())
}

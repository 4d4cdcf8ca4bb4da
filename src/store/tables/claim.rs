//! `waha_message_claims`: what authors tell under the id of a message that another one owns. Written
//! by `apply/conflicts` only, which merges in memory, so a row replaces the one before.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, NotSet, QueryResult, Set};

use entity::waha_message_claims::{ActiveModel, Column as C, Entity};

use super::cut;
use super::message::told_row;
use crate::change::{Content, Media, Origin, Register, Reply, Told, Version};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::ChatId, C::MessageId, C::Author]).replace_all_but(&[])
}

pub(in crate::store) fn row(
    chat_id: i64,
    message_id: &str,
    author: &str,
    told: &Told,
    now: DateTime<Utc>,
) -> ActiveModel {
    told_row!(
        Some(told),
        ActiveModel {
            id: NotSet,
            chat_id: Set(chat_id),
            message_id: Set(cut(message_id, 255)),
            author: Set(cut(author, 255)),
            created_at: NotSet,
            updated_at: Set(now),
        }
    )
}

/// What an author told, out of a row of either table; none of a stub. `text` is the column with the
/// text before edits.
pub(in crate::store) fn read(
    row: &QueryResult,
    text: &str,
) -> Result<Option<(String, Told)>, DbErr> {
    let Some(author) = row.try_get::<Option<String>>("", "author")? else { return Ok(None) };
    let version = |column| row.try_get("", column).map(Version::stored);
    let content_version = version("content_version")?;
    let media_version = version("media_version")?;
    // Of a row of a release before it is null: then it was part of the content.
    let apart = |column| {
        let version = row.try_get::<Option<i64>>("", column)?;
        Ok::<_, DbErr>(version.map_or(content_version, Version::stored))
    };
    let told = Told {
        first: version("author_version")?,
        content: Register::new(content_version, read_content(row)?),
        text: register(apart("text_version")?, row.try_get("", text)?),
        sender_name: register(apart("sender_name_version")?, row.try_get("", "sender_name")?),
        reply: register(apart("reply_version")?, read_reply(row)?),
        media: register(media_version, Some(read_media(row)?)),
    };
    Ok(Some((author, told)))
}

/// What was told, if it was.
fn register<T>(version: Version, value: Option<T>) -> Option<Register<T>> {
    value.filter(|_| version.get() > 0).map(|value| Register::new(version, value))
}

fn read_content(row: &QueryResult) -> Result<Content, DbErr> {
    let origin: Option<String> = row.try_get("", "origin")?;
    Ok(Content {
        waha_id: row.try_get::<Option<String>>("", "waha_id")?.unwrap_or_default(),
        from_me: row.try_get::<Option<bool>>("", "from_me")?.unwrap_or(false),
        sender: row.try_get("", "sender")?,
        kind: Cow::Owned(row.try_get::<Option<String>>("", "type")?.unwrap_or_default()),
        is_notice: row.try_get("", "is_notice")?,
        details: row.try_get("", "details")?,
        is_forwarded: row.try_get("", "is_forwarded")?,
        has_media: row.try_get("", "has_media")?,
        origin: origin.as_deref().and_then(Origin::parse),
        sent_at: row.try_get("", "sent_at")?,
    })
}

fn read_reply(row: &QueryResult) -> Result<Option<Reply>, DbErr> {
    let Some(message_id) = row.try_get("", "reply_to")? else { return Ok(None) };
    Ok(Some(Reply {
        message_id,
        sender: row.try_get("", "reply_to_sender")?,
        text: row.try_get("", "reply_to_content")?,
    }))
}

fn read_media(row: &QueryResult) -> Result<Media, DbErr> {
    Ok(Media {
        url: row.try_get("", "media_url")?,
        mime_type: row.try_get("", "media_mime_type")?,
        file_name: row.try_get("", "media_file_name")?,
        error: row.try_get("", "media_error")?,
        // Known to its row of `waha_attachments`, which keeps what was told.
        sha256: None,
    })
}

//! `PUT /api/v1/chats/{id}/reads/{user_id}`: how far a user of an application has read a conversation, for
//! applications that do not write it by SQL.

use actix_web::web;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{Refused, RefusedBody};
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::clock::storable;
use crate::store::operations::reads::{ReadRefusal, ReadRow, ReadUpTo, UserRead};
use crate::strict_json::Object;
use crate::webhook::envelope::is_key_text;

/// Longest id of a user, in bytes.
const USER_ID_BYTES_MAX: usize = 250;
/// Longest id of a message, in bytes.
const MESSAGE_ID_BYTES_MAX: usize = 255;

/// How far the user has read: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "message_id": "3EB0C431C26A1916E07E" }),
    json!({ "at": "2026-11-28T09:00:00Z", "back": true })
))]
pub(super) struct ReadBody {
    /// Bare id of the last message that was read.
    #[schema(max_length = 255)]
    message_id: Option<String>,
    /// Up to the newest message of this time or before it; all, if it is that of the chat's last message or later.
    #[schema(value_type = Option<DateTime<Utc>>)]
    at: Option<String>,
    /// Whether the mark may go back, as for "mark as unread"; else one that is further stays.
    #[serde(default)]
    back: bool,
}

/// How far a user has read a conversation.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadReport {
    /// Row of `chat_reads`.
    id: i64,
    /// Row of the conversation, which is another one if the chat asked for is another name of it.
    chat_id: i64,
    /// The application's id of the user.
    user_id: Option<String>,
    /// Bare id of the last message that was read: of several of one time the newest that was there. None if it
    /// was a time before all messages.
    last_read_message_id: Option<String>,
    /// When that message was sent, but no later than the time of the chat's last message.
    last_read_at: Option<DateTime<Utc>>,
}

/// Say how far a user of the application has read a conversation.
///
/// Only forward, unless `back`. Of the time of that message, which has whole seconds, all that is there is read,
/// and what comes later is not. Saying it again changes nothing else.
#[utoipa::path(
    put, path = "/api/v1/chats/{id}/reads/{user_id}", tag = "chats",
    params(
        ("id" = i64, Path, description = "Row of `waha_chats`, under any name of the conversation."),
        ("user_id" = String, Path, description = "At most 250 bytes, no control characters."),
    ),
    request_body = ReadBody,
    responses(
        (status = 200, body = ReadReport, description = "The mark as it is now."),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        RefusedBody,
        Refused
    )
)]
pub(super) async fn mark(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    path: web::Path<(i64, String)>,
    told: web::Json<Object<ReadBody>>,
) -> Result<web::Json<ReadReport>, ApiError> {
    let (chat_id, user_id) = path.into_inner();
    let Object(told) = told.into_inner();
    if !is_key_text(&user_id, USER_ID_BYTES_MAX) {
        let problem = "the id of the user is empty, longer than 250 bytes, or not printable";
        return Err(ApiError::BadRequest(problem.to_owned()));
    }
    // What is no UTF-8 in a path comes as this: two such ids would be one.
    if user_id.contains(char::REPLACEMENT_CHARACTER) {
        let problem = "the id of the user is not UTF-8: its bytes are to be percent-encoded";
        return Err(ApiError::BadRequest(problem.to_owned()));
    }
    let goes_back = told.back;
    let told = UserRead { chat_id, user_id, up_to: told.up_to()?, goes_back };
    let marked = admin.store()?.mark_read(&told, &caller.reach).await?;
    Ok(web::Json(marked.map_err(not_found)?.into()))
}

fn not_found(refusal: ReadRefusal) -> ApiError {
    ApiError::NotFound(match refusal {
        ReadRefusal::Chat => "chat",
        ReadRefusal::Message => "message in this chat",
    })
}

impl ReadBody {
    fn up_to(self) -> Result<ReadUpTo, ApiError> {
        let wrong = |problem: &str| Err(ApiError::BadRequest(problem.to_owned()));
        let at = self.at.as_deref().map(read_time).transpose()?;
        match (self.message_id, at) {
            (Some(id), None) if is_key_text(&id, MESSAGE_ID_BYTES_MAX) => Ok(ReadUpTo::Message(id)),
            (Some(_), None) => wrong("message_id is no id of a message"),
            (None, Some(at)) => match storable(at) {
                at if (1970..=9999).contains(&at.year()) => Ok(ReadUpTo::Time(at)),
                _ => wrong("at is not between 1970 and 9999"),
            },
            (None, None) | (Some(_), Some(_)) => wrong("say one of message_id and at"),
        }
    }
}

/// By hand, because serde does not say which field has a text that is no time.
fn read_time(text: &str) -> Result<DateTime<Utc>, ApiError> {
    text.parse().map_err(|_| {
        let sent: String = text.chars().take(40).collect();
        ApiError::BadRequest(format!(
            "at: must be a time such as 2026-11-28T09:00:00Z, and is {sent:?}"
        ))
    })
}

impl From<ReadRow> for ReadReport {
    fn from(row: ReadRow) -> Self {
        let ReadRow { id, chat_id, user_id, last_read_message_id, last_read_at, .. } = row;
        Self { id, chat_id, user_id, last_read_message_id, last_read_at }
    }
}

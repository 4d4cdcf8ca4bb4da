//! `/api/v1/attachments`: the files of messages, for applications.
//!
//! A file is what a stranger sent, so a browser must neither show nor run it: it is offered for saving, under a
//! name without tricks, with the type that its bytes tell, in a sandbox.

mod headers;
pub(super) mod link;
mod range;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, EntityTag, Header, IfNoneMatch, IfRange,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refused;
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::http_problem::problem;
use crate::media::storage::MediaStorage;
use crate::store::operations::attachments::{AttachmentReport, AttachmentRow, AttachmentState};
use range::{Part, part};

/// The files of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct AttachmentList {
    attachments: Vec<AttachmentReport>,
}

/// List the files of a message, by its id in `waha_messages`, and what became of each.
#[utoipa::path(
    get, path = "/api/v1/messages/{id}/attachments", tag = "messages", params(("id" = i64, Path)),
    responses((status = 200, body = AttachmentList), Refused)
)]
pub(super) async fn of_message(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    id: web::Path<i64>,
) -> Result<web::Json<AttachmentList>, ApiError> {
    let rows = admin.store()?.attachments_of_message(&caller.reach, *id).await?;
    let attachments = rows.into_iter().map(AttachmentReport::from).collect();
    Ok(web::Json(AttachmentList { attachments }))
}

/// Get a file, or with the header `Range` a part of it. Its `ETag` is the SHA-256 of its bytes. `HEAD` tells of it
/// without the bytes.
#[utoipa::path(
    get, path = "/api/v1/attachments/{id}", tag = "messages", params(("id" = i64, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "It is the one that If-None-Match names."),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 410, body = Problem, content_type = "application/problem+json"),
        (status = 416, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn file(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = admin.store()?.attachment(&caller.reach, *id).await?;
    let row = row.ok_or(ApiError::NotFound("attachment"))?;
    let Some(stored) = Stored::of(&row) else { return Err(not_stored(&row)) };
    if is_known(&request, &stored) {
        let mut response = HttpResponse::NotModified();
        return Ok(response.insert_header((ETAG, stored.tag())).finish());
    }
    let part = if may_range(&request, &stored) { part(&request, stored.size) } else { Part::Whole };
    send(&admin, &row, &stored, part).await
}

/// What is known of a file that is kept.
struct Stored<'a> {
    key: &'a str,
    sha256: &'a str,
    size: u64,
}

impl<'a> Stored<'a> {
    fn of(row: &'a AttachmentRow) -> Option<Self> {
        let (key, sha256) = (row.storage_key.as_deref()?, row.sha256.as_deref()?);
        if row.state != AttachmentState::Stored.name() {
            return None;
        }
        Some(Self { key, sha256, size: u64::try_from(row.size_bytes?).ok()? })
    }

    fn tag(&self) -> EntityTag {
        EntityTag::new_strong(self.sha256.to_owned())
    }
}

fn not_stored(row: &AttachmentRow) -> ApiError {
    let reason = row.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let is = |state: AttachmentState| row.state == state.name();
    let hint = match () {
        () if is(AttachmentState::Waiting) => "it is fetched from WAHA: ask again later",
        () if is(AttachmentState::Removed) => "it was kept, and was let go of",
        () if is(AttachmentState::Refused) => {
            "the runbook, under Files of messages, says what helps"
        }
        () => "`waha-ingest media retry` tries it once more",
    };
    ApiError::Conflict(format!("the file is {}{reason}: {hint}", row.state))
}

fn is_known(request: &HttpRequest, stored: &Stored<'_>) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(IfNoneMatch::name()),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&stored.tag())),
        Err(_) => false,
    }
}

/// Whether a part of it is what was meant: `If-Range` names the file that the other parts are of.
fn may_range(request: &HttpRequest, stored: &Stored<'_>) -> bool {
    if !request.headers().contains_key(IfRange::name()) {
        return true;
    }
    matches!(IfRange::parse(request), Ok(IfRange::EntityTag(tag)) if tag.strong_eq(&stored.tag()))
}

async fn send(
    admin: &Admin,
    row: &AttachmentRow,
    stored: &Stored<'_>,
    part: Part,
) -> Result<HttpResponse, ApiError> {
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..stored.size),
        Part::Of(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Outside => return Ok(outside(stored.size)),
    };
    let bytes = storage(admin)?.read(stored.key, range.clone()).await?;
    let mut response = HttpResponse::build(status);
    headers::add(&mut response, row);
    response.insert_header((ETAG, stored.tag())).insert_header((ACCEPT_RANGES, "bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size);
        response.insert_header((CONTENT_RANGE, told));
    }
    Ok(response.body(SizedStream::new(range.end - range.start, bytes)))
}

fn storage(admin: &Admin) -> Result<&MediaStorage, ApiError> {
    admin.media.as_ref().ok_or_else(|| {
        let text = "this process has no storage of files: set media.enabled = true and restart";
        ApiError::Conflict(text.to_owned())
    })
}

fn outside(size: u64) -> HttpResponse {
    let text = format!("the range begins after the end of the file, which has {size} bytes");
    let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, &text);
    if let Ok(told) = format!("bytes */{size}").parse() {
        response.headers_mut().insert(CONTENT_RANGE, told);
    }
    response
}

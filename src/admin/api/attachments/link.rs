//! `GET /api/v1/attachments/{id}/link`: a presigned link, so that large files need not pass through this process.

use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Stored, headers, not_stored, storage};
use crate::admin::api::error::Refused;
use crate::admin::api::filter::ApiQuery;
use crate::admin::api::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::clock::{Clock, SystemClock};
use crate::media::storage::SavedAs;

/// How long a link holds, unless it is said.
const LASTS_S: u64 = 300;
/// Longest, in seconds: whoever gets hold of a link has the file.
const LASTS_S_MAX: u64 = 3_600;

/// How long the link is to hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin::api) struct LinkQuery {
    /// Seconds that it holds for.
    #[param(minimum = 1, maximum = 3600, default = 300)]
    lasts_s: Option<u64>,
}

/// A link to a file. Whoever has it gets the file: it is as secret as that.
#[derive(Serialize, ToSchema)]
pub(in crate::admin::api) struct AttachmentLink {
    /// Where it is, for GET, without a key.
    url: String,
    /// When the link ends.
    expires_at: DateTime<Utc>,
}

/// Get a link to a file on S3 that needs no key for a while; it offers the file for saving, as this API does. With a
/// folder as storage there are none (409).
#[utoipa::path(
    get, path = "/api/v1/attachments/{id}/link", tag = "messages",
    params(("id" = i64, Path), LinkQuery),
    responses(
        (status = 200, body = AttachmentLink),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(in crate::admin::api) async fn link(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    id: web::Path<i64>,
    ApiQuery(query): ApiQuery<LinkQuery>,
) -> Result<web::Json<AttachmentLink>, ApiError> {
    let lasts_s = query.lasts_s.unwrap_or(LASTS_S);
    if !(1..=LASTS_S_MAX).contains(&lasts_s) {
        let text = format!("must be 1 to {LASTS_S_MAX}");
        return Err(ApiError::refused("lasts_s", &text));
    }
    let row = admin.store()?.attachment(&caller.reach, *id).await?;
    let row = row.ok_or(ApiError::NotFound("attachment"))?;
    let Some(stored) = Stored::of(&row) else { return Err(not_stored(&row)) };
    let lasts = Duration::from_secs(lasts_s);
    let expires_at = SystemClock.now() + lasts;
    let disposition = headers::disposition(&row);
    let content_type = headers::content_type(row.mime_type.as_deref());
    let saved_as = SavedAs { content_type, disposition: &disposition };
    let link = storage(&admin)?.presigned(stored.key, saved_as, lasts).await?;
    let link = link.ok_or_else(|| {
        ApiError::Conflict("files are in a folder, to which there are no links".to_owned())
    })?;
    Ok(web::Json(AttachmentLink { url: link.0.into(), expires_at }))
}

//! `GET /api/v1/feed`: where the feed is, for who begins to follow it, or was told that he can't go on.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::admin::api::error::Refused;
use crate::store::operations::feed::FeedState;

/// Where the feed is.
#[derive(Serialize, ToSchema)]
#[schema(as = Feed)]
pub(in crate::admin::api) struct FeedPlace {
    /// Which feed it is: another one once the database was restored from a backup.
    epoch: String,
    /// The newest position; 0 before the first.
    position: i64,
    /// The oldest one that is still there.
    oldest_position: i64,
}

/// Where the feed is.
///
/// Read it, then the tables, then follow the changes after `position`.
#[utoipa::path(
    get, path = "/api/v1/feed", tag = "changes",
    responses((status = 200, body = FeedPlace), Refused)
)]
pub(in crate::admin::api) async fn feed(
    admin: web::Data<Admin>,
) -> Result<web::Json<FeedPlace>, ApiError> {
    let FeedState { epoch, position, oldest_position } = admin.store()?.feed_state().await?;
    Ok(web::Json(FeedPlace { epoch, position, oldest_position }))
}

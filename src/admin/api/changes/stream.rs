//! The feed as server-sent events: an event for each change, whose id is its position.

use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::try_unfold;

use super::{ChangesPage, EVENT_STREAM, Follower};
use crate::admin::Admin;
use crate::admin::api::ApiError;

/// How often something is sent, if only that nothing has come: else a proxy would take the connection for
/// dead.
const BEAT: Duration = Duration::from_secs(15);

/// Sends what comes after the follower's position until it goes, the process stops, or the feed ends; then it
/// asks again with `Last-Event-ID`.
pub(super) async fn stream(
    admin: web::Data<Admin>,
    mut follower: Follower,
) -> Result<HttpResponse, ApiError> {
    // Whoever can't follow is told so, before anything is sent.
    let page = follower.next_page(&admin, Duration::ZERO).await?;
    follower.epoch = Some(page.epoch.clone());
    follower.after = page.position;
    let events = try_unfold((admin, follower, Some(page)), |(admin, mut follower, first)| async {
        if admin.stop.is_cancelled() {
            return Ok::<_, ApiError>(None);
        }
        let page = match first {
            Some(page) => page,
            None => follower.next_page(&admin, BEAT).await?,
        };
        follower.after = page.position;
        Ok(Some((events(&page), (admin, follower, None))))
    });
    let mut response = HttpResponse::Ok();
    response.content_type(EVENT_STREAM).insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.streaming(events))
}

/// A page without changes is a comment.
fn events(page: &ChangesPage) -> Bytes {
    let event = |change: &super::Change| {
        let json = serde_json::to_string(change).unwrap_or_default();
        format!("id: {}\nevent: {}\ndata: {json}\n\n", change.position, change.kind)
    };
    let events: String = page.changes.iter().map(event).collect();
    let beat = format!(": {}\n\n", page.position);
    if events.is_empty() { beat.into() } else { events.into() }
}

//! The feed as server-sent events: an event for each change, whose id is the feed's epoch and its position.
//!
//! To an `EventSource` every answer but 200 is final. So an outage of the database is bridged by comments, and only
//! who can't go on (410), or asks for what can't be, is refused.

use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use tokio::time::sleep;

use super::{ChangesPage, EVENT_STREAM, Follower};
use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::operations::ChangeReport;

/// How often something is sent, if only that nothing has come: else a proxy would take the connection for
/// dead.
const BEAT: Duration = Duration::from_secs(15);
/// Between two looks at a database that is away.
const AWAY: Duration = Duration::from_secs(2);

/// Sends what comes after the follower's position until it goes, the process stops, or the feed ends; then it
/// asks again with `Last-Event-ID`.
pub(super) async fn stream(
    admin: web::Data<Admin>,
    mut follower: Follower,
) -> Result<HttpResponse, ApiError> {
    let place = admin.feed.place()?;
    // Whoever can't follow is told so, before anything is sent.
    let first = follower.next_events(&admin, Duration::ZERO).await?;
    let state = (admin, follower, place, Some(first));
    let events = try_unfold(state, |(admin, mut follower, place, first)| async {
        if admin.stop.is_cancelled() {
            return Ok::<_, ApiError>(None);
        }
        let events = match first {
            Some(first) => first,
            None => follower.next_events(&admin, BEAT).await?,
        };
        Ok(Some((events, (admin, follower, place, None))))
    });
    let mut response = HttpResponse::Ok();
    response.content_type(EVENT_STREAM).insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.streaming(events))
}

impl Follower {
    /// What comes next, and goes on behind it.
    async fn next_events(&mut self, admin: &Admin, wait: Duration) -> Result<Bytes, ApiError> {
        match self.next_page(admin, wait).await {
            Ok(page) => {
                self.after = page.position;
                let events = events(&page);
                self.epoch = Some(page.epoch);
                Ok(events)
            }
            Err(error) if error.is_away() => {
                admin.stop.run_until_cancelled(sleep(wait.min(AWAY))).await;
                Ok(Bytes::from_static(b": the database is away\n\n"))
            }
            Err(error) => Err(error),
        }
    }
}

/// The changes of a page; a beat where the position went on without one, so that who comes again does not begin
/// where he began: an id without data is no event, and yet the last one.
fn events(page: &ChangesPage) -> Bytes {
    let event = |change: &ChangeReport| {
        let json = serde_json::to_string(change).unwrap_or_default();
        let (epoch, position, kind) = (&page.epoch, change.position, &change.kind);
        format!("id: {epoch}_{position}\nevent: {kind}\ndata: {json}\n\n")
    };
    let mut events: String = page.changes.iter().map(event).collect();
    if page.changes.last().is_none_or(|change| change.position < page.position) {
        events.push_str(&format!("id: {}_{}\n\n", page.epoch, page.position));
    }
    events.into()
}

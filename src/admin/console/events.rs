//! `/events`: tells a page that shows something in motion when it should be read again, as server-sent events.
//!
//! An event holds nothing: the page is asked for as before, so what it shows passes the same checks. `live.js`
//! follows while somebody sees the page, because a browser opens few connections to a host; pages ask by
//! themselves as well, less often, for where no events get through.
//!
//! Invariant: it ends with the session and with the process.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::time::{Instant, sleep};

use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::jobs;
use crate::admin::health::dependencies;

/// How often it looks whether something has moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At least so often something is sent, or a proxy would take the connection for dead.
const BEAT: Duration = Duration::from_secs(15);

const MOVED: &[u8] = b"data: moved\n\n";
const NOTHING_NEW: &[u8] = b":\n\n";

/// What a page shows.
enum Shown {
    Now,
    Job(i64),
}

/// Somebody who looks at it.
struct Follower {
    admin: web::Data<Admin>,
    visitor: Visitor,
    shown: Shown,
    /// As it was when something was told last.
    told: Option<String>,
    sent: Instant,
    is_over: bool,
}

/// Of `/`.
pub(super) async fn now(admin: web::Data<Admin>, visitor: web::ReqData<Visitor>) -> HttpResponse {
    stream(admin, visitor.into_inner(), Shown::Now)
}

/// Of the page of a job.
pub(super) async fn job(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> HttpResponse {
    stream(admin, visitor.into_inner(), Shown::Job(*id))
}

fn stream(admin: web::Data<Admin>, visitor: Visitor, shown: Shown) -> HttpResponse {
    let (told, sent, is_over) = (None, Instant::now(), false);
    let follower = Follower { admin, visitor, shown, told, sent, is_over };
    let events = unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

impl Follower {
    /// Waits for something to tell; none at the end. The first look tells always: the page may be older.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over && self.lasts().await {
            let (now, is_over) = self.look().await;
            self.is_over = is_over;
            if now.is_some() && now != self.told {
                self.told = now;
                return Some(self.send(MOVED));
            }
            if self.sent.elapsed() >= BEAT {
                return Some(self.send(NOTHING_NEW));
            }
            self.admin.stop.run_until_cancelled(sleep(LOOK_EVERY)).await?;
        }
        None
    }

    fn send(&mut self, event: &'static [u8]) -> Bytes {
        self.sent = Instant::now();
        Bytes::from_static(event)
    }

    /// Whether whoever looks may still do so.
    async fn lasts(&self) -> bool {
        let Self { admin, visitor, .. } = self;
        !admin.access.needs_token() || admin.users.caller(admin, &visitor.cookie).await.is_some()
    }

    /// What would be seen, as far as it moves by itself, and whether it moves no more. None if it can't be seen.
    async fn look(&self) -> (Option<String>, bool) {
        match self.shown {
            Shown::Now => (Some(of_now(&self.admin).await), false),
            Shown::Job(id) => match jobs::show(&self.admin, id).await {
                Ok(job) => {
                    let seen = format!("{} {:?} {:?}", job.replayed, job.state, job.outcomes);
                    (Some(seen), !job.is_moving())
                }
                Err(_) => (None, false),
            },
        }
    }
}

/// Changes with each look at the queue, with what is refused, and with what can be used.
async fn of_now(admin: &Admin) -> String {
    let looked_at = admin.observer.latest().await.map(|look| look.at_ms);
    let refused_at = admin.metrics.door.refusals.last().first().map(|refusal| refusal.at_ms);
    let states: Vec<_> = dependencies(admin).map(|(name, it)| (name, it.state)).collect();
    format!("{looked_at:?} {refused_at:?} {states:?}")
}

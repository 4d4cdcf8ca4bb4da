//! Watches over a connection from outside of everything that it does: ends it when its time is over,
//! when it has to give way, or when the process stops.
//!
//! A dispatcher that waits for something else polls no stream, so a deadline inside the stream would
//! not be seen. Dropping the future drops dispatcher, handler, and socket.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::phase::ConnectionState;
use super::registry::ConnectionEntry;

/// How often deadlines are looked at. It costs less than a timer for each step of each request.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A connection and who watches over it.
pub(super) struct Supervised {
    work: LocalBoxFuture<'static, Result<(), DispatchError>>,
    state: Rc<ConnectionState>,
    look: Interval,
    _membership: Membership,
}

/// A place in the registry, given back with the connection.
struct Membership(Arc<ConnectionEntry>);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Supervised {
    pub(super) fn new(
        work: LocalBoxFuture<'static, Result<(), DispatchError>>,
        state: Rc<ConnectionState>,
    ) -> Self {
        let mut look = interval_at(tokio::time::Instant::now() + LOOK_EVERY, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let membership = Membership(Arc::clone(&state.entry));
        Self { work, state, look, _membership: membership }
    }
}

impl Future for Supervised {
    type Output = Result<(), DispatchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.state.entry.watcher.register(context.waker());
        if self.state.entry.must_end() && self.state.is_over(Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(ended) = self.work.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        while self.look.poll_tick(context).is_ready() {
            if self.state.is_over(Instant::now()) {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }
}

//! A channel that messages come in on, and what of them is not ended yet.
//!
//! Used by `consume`. Invariant: acks reach the broker in the order in which they were
//! decided, because one with `multiple` also ends everything before it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Channel, Connection, Result};
use tokio::sync::Notify;

use super::lock::Lock;
use super::topology::Place;

use crate::telemetry::cause::Causes;

/// A call to lapin that has begun, or has already ended.
type Call = Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>;

/// A channel that messages of one place come in on.
pub(super) struct AckChannel {
    place: Place,
    state: Lock<Outstanding>,
    /// Bodies in hand, in bytes.
    bytes: AtomicU64,
    /// Told when they become fewer.
    fewer: Notify,
    /// Open for as long as something of it is in hand.
    _connection: Arc<Connection>,
}

/// The room that a body takes up while it is in hand.
pub(super) struct Room {
    flow: Arc<AckChannel>,
    bytes: u64,
}

impl Room {
    pub(super) fn take(flow: Arc<AckChannel>, bytes: u64) -> Self {
        flow.bytes.fetch_add(bytes, Ordering::AcqRel);
        Self { flow, bytes }
    }

    pub(super) fn flow(&self) -> &Arc<AckChannel> {
        &self.flow
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.flow.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.flow.fewer.notify_waiters();
    }
}

struct Outstanding {
    channel: Channel,
    /// The broker's tags of messages that came in and are not ended. Later ones are higher.
    tags: BTreeSet<u64>,
}

impl AckChannel {
    pub(super) fn new(place: Place, channel: Channel, connection: Arc<Connection>) -> Self {
        Self {
            place,
            state: Lock::new(Outstanding { channel, tags: BTreeSet::new() }),
            bytes: AtomicU64::new(0),
            fewer: Notify::new(),
            _connection: connection,
        }
    }

    /// Bodies in hand, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Waits until bodies in hand have no more than so many bytes.
    pub(super) async fn falls_to(&self, bytes_max: u64) {
        loop {
            // Listens before it looks: what ends in between is not missed.
            let mut fewer = std::pin::pin!(self.fewer.notified());
            fewer.as_mut().enable();
            if self.bytes() <= bytes_max {
                return;
            }
            fewer.await;
        }
    }

    /// Whether nothing that came in is left to be ended.
    pub(super) fn is_empty(&self) -> bool {
        self.state.with(|state| state.tags.is_empty())
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn channel(&self) -> Channel {
        self.state.with(|state| state.channel.clone())
    }

    /// A message came in.
    pub(super) fn came_in(&self, tag: u64) {
        self.state.with(|state| state.tags.insert(tag));
    }

    /// Ends messages. If the channel is gone they come again, which is no error: whoever gets them
    /// finds that they are done.
    pub(super) async fn ack(&self, mut tags: Vec<u64>) {
        tags.sort_unstable();
        finish(self.state.with(|state| state.ack(&tags))).await;
    }

    /// Gives messages back. The broker counts that; see [`Place::Suspects`].
    pub(super) async fn give_back(&self, tags: &[u64]) {
        finish(self.state.with(|state| state.give_back(tags))).await;
    }
}

impl Outstanding {
    fn ack(&mut self, tags: &[u64]) -> Vec<Call> {
        let oldest = self.tags.iter().zip(tags).take_while(|(one, other)| one == other).count();
        let mut calls = Vec::new();
        if let Some(last) = oldest.checked_sub(1) {
            calls.push(self.begin_ack(tags[last], true));
        }
        calls.extend(tags[oldest..].iter().map(|tag| self.begin_ack(*tag, false)));
        for tag in tags {
            self.tags.remove(tag);
        }
        calls
    }

    fn begin_ack(&self, tag: u64, multiple: bool) -> Call {
        let channel = self.channel.clone();
        begun(async move { channel.basic_ack(tag, BasicAckOptions { multiple }).await })
    }

    fn give_back(&mut self, tags: &[u64]) -> Vec<Call> {
        let calls = tags.iter().map(|tag| {
            let channel = self.channel.clone();
            let tag = *tag;
            let options = BasicNackOptions { multiple: false, requeue: true };
            begun(async move { channel.basic_nack(tag, options).await })
        });
        let calls = calls.collect();
        for tag in tags {
            self.tags.remove(tag);
        }
        calls
    }
}

fn begun(call: impl Future<Output = Result<()>> + Send + 'static) -> Call {
    let mut call = Box::pin(call);
    match begin(call.as_mut()) {
        Poll::Ready(_) => None,
        Poll::Pending => Some(call),
    }
}

/// Does the first step of a call to lapin, in which it hands its frames over; the caller awaits it
/// then, which asks for its waker again.
fn begin<F: Future>(call: Pin<&mut F>) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits until all is sent, so that it is before whatever the caller does next.
async fn finish(calls: Vec<Call>) {
    for call in calls.into_iter().flatten() {
        if let Err(error) = call.await {
            tracing::debug!(error = %Causes(&error), "a delivery was not ended");
        }
    }
}

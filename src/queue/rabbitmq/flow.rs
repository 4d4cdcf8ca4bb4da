//! A channel that messages come in on, and what of them is not ended yet.
//!
//! Used by `consume`. What must stay true: acks reach the broker in the order in which they were
//! decided, because one with `multiple` also ends everything before it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::Poll;

use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Channel, Result};

use super::publish::{Lock, begin};
use super::topology::Place;

/// A call to lapin that has begun, or has already ended.
type Call = Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>;

/// A channel that messages of one place come in on.
pub(super) struct Flow {
    place: Place,
    state: Lock<Outstanding>,
}

struct Outstanding {
    channel: Channel,
    /// The broker's tags of messages that came in and are not ended. Later ones are higher.
    tags: BTreeSet<u64>,
}

impl Flow {
    pub(super) fn new(place: Place, channel: Channel) -> Self {
        Self { place, state: Lock::new(Outstanding { channel, tags: BTreeSet::new() }) }
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
            let (channel, tag) = (self.channel.clone(), *tag);
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

/// Waits until all is sent, so that it is before whatever the caller does next.
async fn finish(calls: Vec<Call>) {
    for call in calls.into_iter().flatten() {
        if let Err(error) = call.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a delivery was not ended");
        }
    }
}

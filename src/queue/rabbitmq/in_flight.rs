//! What is in this process' hands: received from the broker and not ended.
//!
//! Used by `consume`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ack_channel::{AckChannel, Room};
use crate::queue::{Failure, Lane, Tag};
use crate::webhook::{Receipt, Webhook};

/// So many losses are remembered, the latest.
const LOST_MAX: usize = 8_192;

/// One message in hand.
pub(super) struct InFlightMessage {
    /// The broker's tag, on its channel.
    pub(super) broker_tag: u64,
    pub(super) receipt: Receipt,
    pub(super) received_at_ms: i64,
    /// The channel it came in on, and the room its body takes up there until it is ended.
    pub(super) room: Room,
    /// What it holds, if giving it back means publishing it anew.
    pub(super) copy: Option<(Webhook, Vec<Failure>)>,
}

impl InFlightMessage {
    /// The channel it came in on.
    pub(super) fn flow(&self) -> &Arc<AckChannel> {
        self.room.flow()
    }
}

/// All that is in hand, by our own tags, which are never used again.
#[derive(Default)]
pub(super) struct InFlightMessages(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_tag: HashMap<Tag, InFlightMessage>,
    next: Tag,
    /// What was in hand when its channel broke, which this process survived.
    lost: VecDeque<Receipt>,
}

impl InFlightMessages {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, hand: InFlightMessage) -> Tag {
        let mut inner = self.lock();
        inner.next += 1;
        let tag = inner.next;
        inner.by_tag.insert(tag, hand);
        tag
    }

    /// None if its channel broke: then it is somebody else's.
    pub(super) fn remove(&self, tag: Tag) -> Option<InFlightMessage> {
        self.lock().by_tag.remove(&tag)
    }

    /// What came in on a channel that broke is in hand no more.
    pub(super) fn lose(&self, flow: &Arc<AckChannel>) {
        let mut inner = self.lock();
        let Inner { by_tag, lost, .. } = &mut *inner;
        let broken = by_tag.extract_if(|_, hand| Arc::ptr_eq(hand.flow(), flow));
        remember(lost, broken.map(|(_, hand)| hand.receipt));
    }

    /// The same of a message that was never in hand.
    pub(super) fn remember_lost(&self, receipt: Receipt) {
        remember(&mut self.lock().lost, [receipt]);
    }

    /// Whether a message that came back was lost here by its channel, and so by no worker's death. Says so once
    /// for each loss.
    pub(super) fn survived(&self, receipt: Receipt) -> bool {
        let lost = &mut self.lock().lost;
        let found = lost.iter().position(|it| *it == receipt);
        found.and_then(|index| lost.remove(index)).is_some()
    }

    /// How many are in hand that the broker gave up.
    pub(super) fn count_given_up(&self) -> u64 {
        let inner = self.lock();
        let given_up = inner.by_tag.values().filter(|hand| hand.flow().place().lane().is_none());
        given_up.count() as u64
    }

    /// How many are in hand of a lane, and when the oldest was received.
    pub(super) fn count(&self, lane: Lane) -> (u64, Option<i64>) {
        let inner = self.lock();
        let hands = inner.by_tag.values().filter(|hand| hand.flow().place().lane() == Some(lane));
        hands.fold((0, None), |(count, oldest), hand| {
            let received_at_ms = hand.received_at_ms;
            (count + 1, Some(oldest.map_or(received_at_ms, |at: i64| at.min(received_at_ms))))
        })
    }
}

/// Adds losses, and forgets the oldest that are too many.
fn remember(lost: &mut VecDeque<Receipt>, receipts: impl IntoIterator<Item = Receipt>) {
    lost.extend(receipts);
    let excess = lost.len().saturating_sub(LOST_MAX);
    lost.drain(..excess);
}

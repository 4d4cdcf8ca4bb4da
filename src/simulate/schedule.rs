//! What is still to happen, by time. Filled by the families, emptied by `History`.
//!
//! A due event holds the way to its payload, not the payload: a history keeps a few hundred bytes
//! for each event to come. Invariant: nothing is added before the time already reached,
//! so that events leave in the order WAHA creates them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::json::Obj;
use super::seeded_rng::{Purpose, mix};
use super::told::Told;
use super::world::World;

/// Makes the payload when the event is due; none when the event does not happen after all.
pub(crate) type Payload = Box<dyn FnOnce(&mut World) -> Option<Obj> + Send>;

/// An event to come.
pub(crate) struct Due {
    pub(crate) at_ms: i64,
    pub(crate) event_type: &'static str,
    pub(crate) session: usize,
    /// Decides the random part of the event id; equal for events that share their id.
    pub(crate) id: u64,
    pub(crate) payload: Payload,
    pub(crate) told: Told,
    added: u64,
}

/// Events to come, soonest first.
#[derive(Default)]
pub(crate) struct Schedule {
    due: BinaryHeap<Reverse<Due>>,
    added: u64,
}

/// The `id` of the `count`th event that `turn` brings for `purpose`.
pub(crate) const fn event_key(turn: u64, purpose: Purpose, count: u64) -> u64 {
    mix(mix(turn, purpose as u64), count)
}

impl Schedule {
    pub(crate) fn add(
        &mut self,
        at_ms: i64,
        event_type: &'static str,
        session: usize,
        id: u64,
        payload: impl FnOnce(&mut World) -> Option<Obj> + Send + 'static,
    ) {
        self.add_told(at_ms, event_type, (session, id), Told::Nothing, payload);
    }

    /// The same, of an event of `session` under `id` that changes WAHA's own store.
    pub(crate) fn add_told(
        &mut self,
        at_ms: i64,
        event_type: &'static str,
        (session, id): (usize, u64),
        told: Told,
        payload: impl FnOnce(&mut World) -> Option<Obj> + Send + 'static,
    ) {
        let added = self.added;
        self.added += 1;
        let payload = Box::new(payload);
        self.due.push(Reverse(Due { at_ms, event_type, session, id, payload, told, added }));
    }

    /// The next event, if it is due at `until_ms` or earlier.
    pub(crate) fn next_until(&mut self, until_ms: i64) -> Option<Due> {
        let Reverse(first) = self.due.peek()?;
        if first.at_ms > until_ms {
            return None;
        }
        self.due.pop().map(|Reverse(due)| due)
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.added).cmp(&(other.at_ms, other.added))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

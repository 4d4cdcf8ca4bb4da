//! The queues that one installation should have, and what each is for.

use std::time::Duration;

use super::super::options::Options;
use super::super::topology::{Place, Topology};
use crate::queue::Lane;

/// What a queue is for: by this a policy is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueRole {
    /// Webhooks that wait for a worker.
    Lane,
    /// Webhooks that were in hand when workers died.
    Suspects,
    /// What the broker gave up; nothing catches what falls out of it.
    Dead,
    /// Webhooks that wait so long for their next attempt.
    Rung(Duration),
}

/// A queue that should be there.
#[derive(Clone, Debug)]
pub(super) struct ExpectedQueue {
    pub(super) name: String,
    /// None where only probes go through, which may be thrown away.
    pub(super) role: Option<QueueRole>,
}

/// All of them.
pub(super) fn expected_queues(options: &Options) -> Vec<ExpectedQueue> {
    let topology = Topology::new(&options.prefix, &options.rungs, options.taps);
    let places = Place::ALL.map(|place| ExpectedQueue {
        name: topology.queue(place).to_string(),
        role: Some(match place {
            Place::Lane(_) => QueueRole::Lane,
            Place::Suspects => QueueRole::Suspects,
            Place::Dead => QueueRole::Dead,
        }),
    });
    let rungs = Lane::ALL.into_iter().flat_map(|lane| topology.rungs_of(lane));
    let rungs = rungs.map(|rung| ExpectedQueue {
        name: rung.queue.to_string(),
        role: Some(QueueRole::Rung(rung.wait)),
    });
    let probe = ExpectedQueue { name: topology.probe_queue().to_string(), role: None };
    places.into_iter().chain(rungs).chain([probe]).collect()
}

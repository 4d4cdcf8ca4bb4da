//! What this process has in hand, by tag, and what of it was dropped and must be given back.
//!
//! Called by the writer thread alone. Invariant: every claimed row is here until it is
//! ended, given back or lost to another holder, because what is not here is not renewed.

use std::collections::HashMap;

use super::group::Terms;
use crate::queue::{Lane, Tag};

/// A claimed row.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeasedRow {
    /// Its row.
    pub(super) seq: i64,
    /// Its lane.
    pub(super) lane: Lane,
    /// When it was due before it was claimed: its place if it is given back.
    pub(super) due_at_ms: i64,
}

/// Everything in hand.
pub(super) struct Leases {
    by_tag: HashMap<Tag, LeasedRow>,
    given_back: Vec<Tag>,
    next: Tag,
    renewed_at_ms: i64,
}

impl Leases {
    /// Nothing in hand. Tags count up from a random `first`, so that no two holders share one.
    pub(super) fn new(first: Tag) -> Self {
        Self { by_tag: HashMap::new(), given_back: Vec::new(), next: first, renewed_at_ms: 0 }
    }

    /// A tag that is in nobody's hand.
    pub(super) fn next_tag(&mut self) -> Tag {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Everything in hand.
    pub(super) fn all(&self) -> Vec<(Tag, LeasedRow)> {
        self.by_tag.iter().map(|(tag, hand)| (*tag, *hand)).collect()
    }

    pub(super) fn take(&mut self, tag: Tag, hand: LeasedRow) {
        self.by_tag.insert(tag, hand);
    }

    /// Those of `tags` that are in hand.
    pub(super) fn of(&self, tags: &[Tag]) -> Vec<(Tag, LeasedRow)> {
        tags.iter().filter_map(|tag| Some((*tag, *self.by_tag.get(tag)?))).collect()
    }

    pub(super) fn forget(&mut self, tag: Tag) {
        self.by_tag.remove(&tag);
    }

    /// Notes a dropped delivery; it stays in hand until that is written.
    pub(super) fn drop_later(&mut self, tag: Tag) {
        if self.by_tag.contains_key(&tag) {
            self.given_back.push(tag);
        }
    }

    /// Notes that everything was dropped.
    pub(super) fn drop_all(&mut self) {
        self.given_back = self.by_tag.keys().copied().collect();
    }

    /// What was dropped and isn't written yet.
    pub(super) fn given_back(&self) -> Vec<(Tag, LeasedRow)> {
        self.of(&self.given_back)
    }

    /// What was dropped is written: it is in hand no more. Says which lanes have it back.
    pub(super) fn clear_given_back(&mut self) -> Vec<Lane> {
        let given_back = std::mem::take(&mut self.given_back);
        let mut lanes: Vec<Lane> =
            given_back.iter().filter_map(|tag| Some(self.by_tag.remove(tag)?.lane)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    /// What must be renewed now.
    pub(super) fn to_renew(&self, terms: Terms) -> Vec<(Tag, LeasedRow)> {
        if !self.is_renewal_due(terms) {
            return Vec::new();
        }
        self.all()
    }

    /// What [`to_renew`](Self::to_renew) said is written.
    pub(super) fn renewed(&mut self, terms: Terms) {
        if self.is_renewal_due(terms) {
            self.renewed_at_ms = terms.now_ms;
        }
    }

    /// Whether leases must be renewed or given back.
    pub(super) fn anything_to_write(&self, terms: Terms) -> bool {
        !self.given_back.is_empty() || (!self.by_tag.is_empty() && self.is_renewal_due(terms))
    }

    /// Also when the clock was set back: leases were given on the old time.
    fn is_renewal_due(&self, terms: Terms) -> bool {
        let fresh_until_ms = self.renewed_at_ms.saturating_add(terms.renew_every_ms());
        !(self.renewed_at_ms..fresh_until_ms).contains(&terms.now_ms)
    }
}

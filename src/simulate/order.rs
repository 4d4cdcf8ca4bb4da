//! Brings webhooks out of order and repeats them, as WAHA's parallel sending and its retries do.
//! Used by the `simulate` command and by the tests of "any order, any number of times".
//!
//! Invariant: nothing is lost, nothing is changed, and nothing moves further than the
//! window, so that memory is bounded by the window too.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::seeded_rng::{Purpose, SeededRng};

/// How often one item can be repeated at most.
const REPEATS_MAX: u64 = 4;

/// Displaces the items of `items` by less than `window` places (repeats not counted) and repeats
/// about `duplicates_ratio` (0.0 to 1.0) of them, up to four times each and within the same
/// window. The same arguments give the same order; a window of 0 or 1 keeps it.
pub fn shuffled<I>(seed: u64, window: usize, duplicates_ratio: f64, items: I) -> Shuffled<I>
where
    I: Iterator<Item: Clone>,
{
    Shuffled {
        items,
        window: (window as u64).max(1),
        duplicates_ratio: duplicates_ratio.clamp(0.0, 1.0),
        seed,
        taken: 0,
        waiting: BinaryHeap::new(),
        pushed: 0,
    }
}

/// The iterator made by [`shuffled`].
pub struct Shuffled<I: Iterator> {
    items: I,
    window: u64,
    duplicates_ratio: f64,
    seed: u64,
    /// Items taken from `items` so far.
    taken: u64,
    waiting: BinaryHeap<Reverse<Place<I::Item>>>,
    pushed: u64,
}

/// An item and the place it wants; equal places leave in the order they came.
struct Place<T> {
    at: (u64, u64),
    item: T,
}

impl<I: Iterator<Item: Clone>> Shuffled<I> {
    fn admit(&mut self, item: &I::Item) {
        let mut rng = SeededRng::of(self.seed, self.taken, Purpose::Order);
        for _ in 0..=self.repeats(&mut rng) {
            let at = (self.taken + rng.below(self.window), self.pushed);
            self.waiting.push(Reverse(Place { at, item: item.clone() }));
            self.pushed += 1;
        }
        self.taken += 1;
    }

    fn repeats(&self, rng: &mut SeededRng) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "20 bits are exact in an f64")]
        let drawn = rng.below(1 << 20) as f64 / f64::from(1 << 20);
        if drawn >= self.duplicates_ratio {
            return 0;
        }
        // Most repeats come once, as after one lost answer.
        if rng.per_mille(800) { 1 } else { 1 + rng.below(REPEATS_MAX) }
    }

    /// Whether the first one waiting can still be overtaken by an item not yet taken.
    fn must_wait(&self) -> bool {
        self.waiting.peek().is_none_or(|Reverse(first)| first.at.0 >= self.taken)
    }
}

impl<I: Iterator<Item: Clone>> Iterator for Shuffled<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        while self.must_wait() {
            match self.items.next() {
                Some(item) => self.admit(&item),
                None => break,
            }
        }
        self.waiting.pop().map(|Reverse(first)| first.item)
    }
}

impl<T> Ord for Place<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl<T> PartialOrd for Place<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Place<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Place<T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shuffled;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_permutation_plus_repeats(seed: u64, window in 0_usize..60, count in 0_usize..400) {
            let out: Vec<usize> = shuffled(seed, window, 0.2, 0..count).collect();
            let mut seen = out.clone();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn nothing_moves_further_than_the_window(seed: u64, window in 1_usize..60) {
            for (place, item) in shuffled(seed, window, 0.0, 0..300_usize).enumerate() {
                prop_assert!(place.abs_diff(item) < window);
            }
        }
    }

    #[test]
    fn a_wide_window_moves_and_repeats() {
        let out: Vec<usize> = shuffled(1, 50, 0.2, 0..1_000_usize).collect();
        assert!((1_150..1_400).contains(&out.len()), "{}", out.len());
        assert!(!out.is_sorted());
        assert_eq!(out, shuffled(1, 50, 0.2, 0..1_000_usize).collect::<Vec<_>>());
    }

    #[test]
    fn no_window_and_no_repeats_change_nothing() {
        assert!(shuffled(1, 0, 0.0, 0..100).eq(0..100));
    }
}

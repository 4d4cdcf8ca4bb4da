//! Which kind has its turn when.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::kind::Kind;

/// So many rounds: each kind as often as any other, give or take one, in an order of the seed. Each round
/// has a seed of its own, the first one that of the campaign, so that it can be repeated alone.
pub fn schedule(kinds: &[Kind], rounds: u64, seed: u64) -> Vec<(Kind, u64)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut deck: Vec<Kind> = Vec::new();
    let mut next = || {
        if deck.is_empty() {
            deck.extend_from_slice(kinds);
            deck.shuffle(&mut rng);
        }
        deck.pop()
    };
    (0..rounds).filter_map(|round| Some((next()?, seed.wrapping_add(round)))).collect()
}

#[test]
fn every_kind_has_its_turns_and_a_seed_its_order() {
    let kinds = Kind::all();
    let once = schedule(&kinds, 100, 7);
    let again = schedule(&kinds, 100, 7);
    assert!(once == again && once != schedule(&kinds, 100, 8));
    for kind in kinds.iter().copied() {
        let turns = once.iter().filter(|(this, _)| *this == kind).count();
        assert!((100 / kinds.len()..=100 / kinds.len() + 1).contains(&turns), "{}", kind.name());
    }
    let alone =
        schedule(&once[3..4].iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), 1, once[3].1);
    assert_eq!(alone, once[3..4]);
}

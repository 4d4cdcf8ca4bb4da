//! Chance that is the same on every run. Used by everything in this module that varies.
//!
//! Each decision draws from rng of its own, named by seed, turn and purpose, instead of from one
//! long stream. So switching a family off or asking for fewer messages leaves all other webhooks
//! as they were, which is what makes a failing history shrink to a small one.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a set of rng is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Turn = 1,
    Data,
    Delivery,
    Ack,
    Call,
    Reaction,
    Edit,
    Poll,
    Group,
    Label,
    Presence,
    Status,
    Archive,
    Unknown,
    EventId,
    Order,
    Rare,
    CallEntry,
    File,
    Loss,
}

/// A seeded source of choices.
pub(crate) struct SeededRng(StdRng);

impl SeededRng {
    pub(crate) fn of(seed: u64, turn: u64, purpose: Purpose) -> Self {
        Self(StdRng::seed_from_u64(mix(mix(seed, turn), purpose as u64)))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `end` - 1; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(end);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits fits 64")
    }

    /// A span of milliseconds from `least` to `most` - 1.
    pub(crate) fn ms(&mut self, least: i64, most: i64) -> i64 {
        let span = self.below(most.abs_diff(least));
        least.saturating_add(i64::try_from(span).unwrap_or(0))
    }

    /// True in `share` of 1,000 cases.
    pub(crate) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let position = self.below(choices.len() as u64);
        choices[usize::try_from(position).expect("a position in a slice fits usize")]
    }

    /// `count` upper-case hexadecimal digits.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        let mut digits = String::with_capacity(count + 16);
        while digits.len() < count {
            write!(digits, "{:016X}", self.number()).expect("a string takes all text");
        }
        digits.truncate(count);
        digits
    }

    /// Base64 (with padding) of `bytes` random bytes.
    pub(crate) fn base64(&mut self, bytes: usize) -> String {
        let letters = (bytes * 8).div_ceil(6);
        let mut text = String::with_capacity(letters + 3);
        let (mut pool, mut left) = (0, 0);
        for position in 1..=letters {
            if left == 0 {
                (pool, left) = (self.number(), 10);
            }
            let unused = if position == letters { unused_bits(bytes) } else { 0 };
            text.push(base64_letter((pool & 63) >> unused << unused));
            (pool, left) = (pool >> 6, left - 1);
        }
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    }
}

/// How many low bits of the last base64 letter carry nothing.
const fn unused_bits(bytes: usize) -> u32 {
    match bytes % 3 {
        1 => 4,
        2 => 2,
        _ => 0,
    }
}

fn base64_letter(value: u64) -> char {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char::from(LETTERS[usize::try_from(value & 63).expect("six bits fit usize")])
}

/// Joins two numbers to one so that close inputs give distant results (the finaliser of
/// splitmix64).
pub(crate) const fn mix(left: u64, right: u64) -> u64 {
    let mut joined = left.rotate_left(25) ^ right.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    joined = (joined ^ (joined >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    joined = (joined ^ (joined >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    joined ^ (joined >> 31)
}

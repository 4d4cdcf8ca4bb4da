//! Versions order what is told more than once about one thing; a register keeps the newest.

use crate::webhook::Webhook;

/// Bits of the hash below the time: webhooks of one millisecond still have an order.
const HASH_BITS: u32 = 20;
/// Times are kept in 43 bits of ms (until the year 2248); others are cut to this range.
const TIME_MS_MAX: i64 = (1 << 43) - 1;
/// Identity that rides along with other webhooks is ordered by the minute; see [`Version::coarse`].
const COARSE_MS: i64 = 60_000;
/// Names of people are ordered by the hour; see [`Version::hourly`].
const HOUR_MS: i64 = 3_600_000;

/// `time in ms << 20 | 20 bits of a hash`; never negative. 0 means "never told".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of what a webhook tells.
    pub fn of(webhook: &Webhook) -> Self {
        Self::at(webhook.ordering_at_ms(), webhook.key().hash())
    }

    /// A version of a time and a hash that breaks ties.
    pub fn at(at_ms: i64, hash: u64) -> Self {
        let hash = (hash >> (u64::BITS - HASH_BITS)).cast_signed();
        Self((at_ms.clamp(0, TIME_MS_MAX) << HASH_BITS) | hash)
    }

    /// A version that is the same for the same content within a minute.
    ///
    /// Telling it again changes nothing, so writers may leave the repetition out; without that
    /// every webhook would have to lock its session's row.
    pub fn coarse(at_ms: i64, content_hash: u64) -> Self {
        Self::at(at_ms - at_ms.rem_euclid(COARSE_MS), content_hash)
    }

    /// The same within an hour, for what nearly every message repeats.
    pub fn hourly(at_ms: i64, content_hash: u64) -> Self {
        Self::at(at_ms - at_ms.rem_euclid(HOUR_MS), content_hash)
    }

    /// The version of a retelling, below every version of a telling (times from 2009 on), so that
    /// what an ack repeats of its message never replaces what the message itself told.
    #[must_use]
    pub fn retold(self) -> Self {
        Self(self.0 >> 3)
    }

    /// Just below: what the same webhook tells with less certainty.
    #[must_use]
    pub fn before(self) -> Self {
        Self((self.0 - 1).max(0))
    }

    /// The version of a placeholder, below every poorer telling: any real telling replaces it.
    #[must_use]
    pub fn placeholder(self) -> Self {
        Self(self.0 >> 6)
    }

    /// The version of a telling that lacks what others of its kind have, such as a message without the
    /// engine's form: below every retelling, so that it replaces nothing that is known.
    #[must_use]
    pub fn poorer(self) -> Self {
        Self(self.0 >> 5)
    }

    /// As read from a column.
    pub fn stored(version: i64) -> Self {
        Self(version)
    }

    /// As stored in a column.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Values that travel together; a higher version replaces all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Register<T> {
    /// When it was told.
    pub version: Version,
    /// What was told.
    pub value: T,
}

impl<T> Register<T> {
    /// What was told, and when.
    pub fn new(version: Version, value: T) -> Self {
        Self { version, value }
    }
}

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

/// How far below a telling is what an ack repeats, what lacks something, what was read from WAHA's list, and what
/// only says that there is something. The bands of what is told live and of what was listed (those three below
/// [`BACKFILL_BITS`]) lie apart for times from 2009 to 2038.
const RETOLD_BITS: u32 = 3;
const POORER_BITS: u32 = 5;
const BACKFILL_BITS: u32 = 9;
const PLACEHOLDER_BITS: u32 = BACKFILL_BITS + POORER_BITS + 1;
/// The highest version of what was read from WAHA's list.
const BACKFILLED_MAX: i64 = i64::MAX >> BACKFILL_BITS;
/// 2009-01-01, before there was WhatsApp, and 2038-01-01, in Unix ms.
const EARLIEST_MS: i64 = 1_230_768_000_000;
const LATEST_MS: i64 = 2_145_916_800_000;
/// The lowest version of what tells more than that there is something.
const TOLD_MIN: i64 = (EARLIEST_MS << HASH_BITS) >> (BACKFILL_BITS + POORER_BITS);
/// The versions of placeholders that were told live.
const LIVE_PLACEHOLDERS: std::ops::Range<i64> =
    (EARLIEST_MS << HASH_BITS) >> PLACEHOLDER_BITS..(LATEST_MS << HASH_BITS) >> PLACEHOLDER_BITS;

/// `time in ms << 20 | 20 bits of a hash`; never negative. 0 means "never told".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of what a webhook tells; of one that was made from WAHA's list, below every live telling.
    pub fn of(webhook: &Webhook) -> Self {
        let version = Self::owning(webhook);
        if webhook.key().is_backfill() { version.backfilled() } else { version }
    }

    /// The version that decides who owns a message id: the time itself, also of what was made from WAHA's list.
    /// In a lower band such a telling would own every id that it names.
    pub fn owning(webhook: &Webhook) -> Self {
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
        Self(self.0 >> RETOLD_BITS)
    }

    /// Just below: what the same webhook tells with less certainty.
    #[must_use]
    pub fn before(self) -> Self {
        Self((self.0 - 1).max(0))
    }

    /// The version of a placeholder, below every poorer telling, also of WAHA's list: any real telling replaces it.
    #[must_use]
    pub fn placeholder(self) -> Self {
        Self(self.0 >> PLACEHOLDER_BITS)
    }

    /// Whether it is of that band, live or listed.
    pub fn is_placeholder(self) -> bool {
        (1..TOLD_MIN).contains(&self.0)
    }

    /// The version of a telling that lacks what others of its kind have, such as a message without the
    /// engine's form: below every retelling, so that it replaces nothing that is known.
    #[must_use]
    pub fn poorer(self) -> Self {
        Self(self.0 >> POORER_BITS)
    }

    /// The version of what was read from WAHA's list of messages, which is a snapshot: below every live telling
    /// (times from 2009 on) but placeholders. The other bands lie below it in their order.
    #[must_use]
    pub fn backfilled(self) -> Self {
        Self(self.0 >> BACKFILL_BITS)
    }

    /// Whether it is of that band, or of one below it.
    pub fn is_backfilled(self) -> bool {
        (1..=BACKFILLED_MAX).contains(&self.0) && !LIVE_PLACEHOLDERS.contains(&self.0)
    }

    /// Whether what is stored under `other` was told by the webhook of this version, in whatever band.
    pub fn made(self, other: Self) -> bool {
        [self, self.retold(), self.poorer(), self.placeholder()].contains(&other)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_is_below_every_live_telling_and_above_placeholders() {
        let told = |version: Version| [version, version.retold(), version.poorer()];
        let times = [Version::at(EARLIEST_MS, 0), Version::at(LATEST_MS - 1, u64::MAX)];
        for (one, other) in [(times[0], times[1]), (times[1], times[0])] {
            let ordered = [told(one), told(other.backfilled())].concat();
            let ordered = [ordered, vec![one.placeholder(), other.backfilled().placeholder()]];
            assert!(ordered.concat().is_sorted_by(|left, right| left > right), "{ordered:?}");
        }
        for time in times {
            let (live, listed) = (told(time), told(time.backfilled()));
            assert!(live.iter().all(|it| !it.is_backfilled() && !it.is_placeholder()));
            assert!(listed.iter().all(|it| it.is_backfilled() && !it.is_placeholder()));
            let (live, listed) = (time.placeholder(), time.backfilled().placeholder());
            assert!(live.is_placeholder() && !live.is_backfilled());
            assert!(listed.is_placeholder() && listed.is_backfilled());
        }
        let never = Version::default();
        assert!(!never.is_backfilled() && !never.is_placeholder());
    }
}

//! Times in which it is not known how many webhooks a door took.

use serde::{Deserialize, Serialize};

/// Why it is not known how many webhooks a door took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// A door was killed, or its machine.
    #[default]
    Kill,
    /// The spool file was removed, or replaced by another one.
    Spool,
    /// The broker did not answer, and the spool took nothing: webhooks were refused that the broker may
    /// have.
    Unanswered,
}

impl GapCause {
    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Kill => "a door was killed",
            Self::Spool => "the spool file of a door was removed or replaced",
            Self::Unanswered => "the broker gave no answer to webhooks that a full spool refused",
        }
    }
}

/// A time in which a door may have taken webhooks that are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountGap {
    /// What came before is counted; ms since 1970.
    pub from_ms: i64,
    /// What came after is counted; ms since 1970.
    pub until_ms: i64,
    /// How many at most; none if nobody knows.
    pub webhooks_max: Option<u64>,
    /// What happened.
    #[serde(default)]
    pub cause: GapCause,
}

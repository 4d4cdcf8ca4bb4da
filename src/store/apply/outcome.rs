//! How a webhook ends, as the ledger, the log and the metrics name it.
//!
//! Called by all that apply or bury, and by those who show it.

use crate::normalize::{Ignored, Normalized};

/// How a webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its changes are in the tables.
    Applied,
    /// The same webhook was accepted before.
    Duplicate,
    /// It tells nothing for our tables.
    Ignored(Ignored),
    /// It is kept as a dead letter, for this reason.
    DeadLettered(&'static str),
}

impl Outcome {
    /// As stored, logged and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored(_) => "ignored",
            Self::DeadLettered(_) => "dead_lettered",
        }
    }

    /// Why, where there is a why.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Applied | Self::Duplicate => None,
            Self::Ignored(ignored) => Some(ignored.reason()),
            Self::DeadLettered(reason) => Some(reason),
        }
    }
}

/// How a normalized webhook ends unless it is a repetition or another author's message.
pub(crate) fn outcome(normalized: &Normalized) -> Outcome {
    match normalized {
        Normalized::Changes(_) => Outcome::Applied,
        Normalized::Ignored(ignored) => Outcome::Ignored(*ignored),
    }
}

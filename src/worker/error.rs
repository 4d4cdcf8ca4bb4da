//! Why a webhook was not processed, and what follows: the one place that decides retry or not.

use crate::normalize::NormalizeError;
use crate::store::{ErrorClass, StoreError};

/// Why a webhook was not processed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It can't be mapped.
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    /// It can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue gave it up, for this reason.
    #[error("the queue gave it up: {0}")]
    GivenUp(&'static str),
    /// Our code failed on it.
    #[error("processing panicked")]
    Panic,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The webhook is innocent: hold it until the outage is over; no attempt is used.
    Hold,
    /// The webhook is innocent, and another transaction is done: try at once; no attempt is used.
    Again,
    /// The cause is unknown: try again later, up to the end of the ladder.
    Retry,
    /// Trying again can't help: a dead letter.
    DeadLetter,
}

impl ProcessError {
    /// What follows.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Panic | Self::Normalize(NormalizeError::Panic) => Verdict::Retry,
            Self::Normalize(_) | Self::GivenUp(_) => Verdict::DeadLetter,
            Self::Store(error) => match error.class() {
                ErrorClass::Outage => Verdict::Hold,
                ErrorClass::Conflict => Verdict::Again,
                ErrorClass::TooLarge | ErrorClass::Contradiction => Verdict::DeadLetter,
                ErrorClass::Unknown => Verdict::Retry,
            },
        }
    }

    /// A stable name for metrics and dead letters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Normalize(error) => error.reason(),
            Self::GivenUp(reason) => reason,
            Self::Panic => "panic",
            Self::Store(error) => match error.class() {
                ErrorClass::Outage => "outage",
                ErrorClass::Conflict => "conflict",
                ErrorClass::TooLarge => "too_large",
                ErrorClass::Contradiction => "contradicts_schema",
                ErrorClass::Unknown => "unknown",
            },
        }
    }

    /// What happened, without bodies or personal data: safe for rows and logs.
    pub fn detail(&self) -> String {
        match self {
            Self::Normalize(_) | Self::GivenUp(_) | Self::Panic => self.to_string(),
            Self::Store(error) => error.detail(),
        }
    }
}

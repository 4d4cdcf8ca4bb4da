//! Why nothing was committed. Made by `connect/transaction`, which alone commits.

use std::time::Duration;

/// A commit that takes longer is an outage.
pub(in crate::store) const COMMIT_MAX: Duration = Duration::from_secs(10);

/// Why nothing was committed, or nobody knows, although no statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A statement failed before, or its answer was not waited for. Our own fault: whoever sees an
    /// error must not commit.
    #[error("a transaction that saw an error can't be committed")]
    Poisoned,
    /// The database had ended the transaction by itself.
    #[error("the database no longer had the transaction that was to be committed")]
    Gone,
    /// It got no answer. It may be committed there, and may yet come to be.
    #[error(
        "the commit got no answer within {} s, as when a synchronous standby is away",
        COMMIT_MAX.as_secs()
    )]
    Unanswered,
}

//! How what is told merges with what is stored: on which database, and which of two tellings under one
//! version stays.

use super::dialect::Dialect;

/// How rows merge.
#[derive(Clone, Copy)]
pub(in crate::store) struct Merging {
    pub(in crate::store) dialect: Dialect,
    /// Whether history is read again: then what a webhook tells replaces what it told an older normalizer,
    /// which is stored under the same version.
    rereads: bool,
}

impl Merging {
    /// For history that is read again.
    pub(in crate::store) fn of_history(dialect: Dialect) -> Self {
        Self { dialect, rereads: true }
    }

    /// The comparison of a new version with a stored one that it replaces.
    pub(super) fn newer(self) -> &'static str {
        if self.rereads { ">=" } else { ">" }
    }

    /// The same where the earliest telling stays.
    pub(super) fn earlier(self) -> &'static str {
        if self.rereads { "<=" } else { "<" }
    }
}

impl From<Dialect> for Merging {
    fn from(dialect: Dialect) -> Self {
        Self { dialect, rereads: false }
    }
}

//! What the present normalizer says of a webhook.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::normalize::{NormalizeError, Normalized, Rules, normalize};
use crate::store::operations::history::LedgerOutcome;
use crate::webhook::Webhook;

/// How a webhook would end if it were processed now and the tables took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DryRun {
    /// How it would end.
    pub outcome: LedgerOutcome,
    /// Why, for the last two.
    pub reason: Option<&'static str>,
    /// What is wrong with it; no text of people.
    pub error: Option<String>,
    /// How many changes it tells, by what they are about.
    pub tells: BTreeMap<&'static str, usize>,
}

impl DryRun {
    /// Reads it; nothing is written.
    pub fn of(webhook: &Webhook, rules: &Rules) -> Self {
        Self::of_read(&normalize(webhook, rules))
    }

    /// Of what was read of it.
    pub(super) fn of_read(read: &Result<Normalized, NormalizeError>) -> Self {
        let (outcome, reason, error, tells) = match read {
            Ok(Normalized::Changes(changes)) => {
                (LedgerOutcome::Applied, None, None, changes.counts().collect())
            }
            Ok(Normalized::Ignored(ignored)) => {
                (LedgerOutcome::Ignored, Some(ignored.reason()), None, BTreeMap::new())
            }
            Err(error) => {
                let (reason, words) = (Some(error.reason()), Some(error.to_string()));
                (LedgerOutcome::DeadLettered, reason, words, BTreeMap::new())
            }
        };
        Self { outcome, reason, error, tells }
    }

    /// Whether it would not be a dead letter again.
    pub fn succeeds(&self) -> bool {
        self.outcome != LedgerOutcome::DeadLettered
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.unwrap_or_default();
        match &self.error {
            Some(error) => write!(formatter, "dead letter, {reason}: {error}"),
            None if self.outcome == LedgerOutcome::Ignored => {
                write!(formatter, "ignored, {reason}")
            }
            None => {
                let counts = self.tells.iter().map(|(what, count)| format!("{what} ({count})"));
                write!(formatter, "tells of {}", counts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

//! The filter language of the ledger.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::time;
use crate::store::operations::history::{LedgerFilter, LedgerOutcome};

/// Which webhooks. Given more than once, an option means any of its values.
#[derive(Args, Clone)]
pub(super) struct FilterArgs {
    /// Only these numbers.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<i64>,
    /// Only from this WAHA server.
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only of this session.
    #[arg(long = "session", value_name = "SESSION")]
    sessions: Vec<String>,
    /// Only of this event type, such as `message.any`.
    #[arg(long = "event", value_name = "EVENT")]
    event_types: Vec<String>,
    /// Only with this outcome.
    #[arg(long = "outcome", value_name = "OUTCOME", value_enum)]
    outcomes: Vec<LedgerOutcome>,
    /// Only with this reason, such as `unknown_event`.
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,
    /// Only what arrived at this time or later: `12h` or `7d` ago, `2026-11-20` (UTC), or
    /// `2026-11-20T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<DateTime<Utc>>,
    /// Only what a normalizer below this version read.
    #[arg(long = "normalizer-version", value_name = "VERSION")]
    normalizer_below: Option<i32>,
}

impl FilterArgs {
    /// Whether anything restricts it.
    pub(super) fn is_named(&self) -> bool {
        let lists = [&self.sources, &self.sessions, &self.event_types, &self.reasons];
        !(self.ids.is_empty() && self.outcomes.is_empty() && lists.iter().all(|it| it.is_empty()))
            || self.since.is_some()
            || self.until.is_some()
            || self.normalizer_below.is_some()
    }

    pub(super) fn filter(self) -> LedgerFilter {
        LedgerFilter {
            ids: self.ids,
            sources: self.sources,
            sessions: self.sessions,
            event_types: self.event_types,
            outcomes: self.outcomes,
            reasons: self.reasons,
            since: self.since,
            until: self.until,
            normalizer_below: self.normalizer_below,
            after_id: 0,
            last_id: None,
        }
    }
}

//! The filter of all `dead-letters` commands.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::time;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterFilter;

/// Which dead letters. Given more than once, an option means any of its values.
#[derive(Args, Clone)]
pub(super) struct FilterArgs {
    /// Only these numbers.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<i64>,
    /// Only of this group, as `groups` names it.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Only with this reason, such as `malformed`.
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,
    /// Only from this WAHA server.
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only of this session.
    #[arg(long = "session", value_name = "SESSION")]
    sessions: Vec<String>,
    /// Only of this event type, such as `message.any`.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Only those whose body names this chat, such as `12025550142@c.us`.
    #[arg(long = "chat", value_name = "CHAT")]
    chats: Vec<String>,
    /// Only what arrived at this time or later: `12h` or `7d` ago, `2026-11-20` (UTC), or
    /// `2026-11-20T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<DateTime<Utc>>,
    /// Only in this state; without it those that the command is for.
    #[arg(long = "state", value_name = "STATE", value_enum)]
    states: Vec<DeadLetterState>,
}

impl FilterArgs {
    /// The filter; `default` are the states if none is named.
    pub(super) fn filter(self, default: &[DeadLetterState]) -> DeadLetterFilter {
        let states = if self.states.is_empty() { default.to_vec() } else { self.states };
        DeadLetterFilter {
            ids: self.ids,
            groups: self.groups,
            reasons: self.reasons,
            sources: self.sources,
            sessions: self.sessions,
            events: self.events,
            chats: self.chats,
            states,
            since: self.since,
            until: self.until,
        }
    }
}

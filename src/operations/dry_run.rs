//! What the present normalizer says of a webhook.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::change::Changes;
use crate::normalize::{Normalized, Rules, normalize};
use crate::webhook::Webhook;

/// How a webhook would end if it were processed now and the tables took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DryRun {
    /// `applied`, `ignored` or `dead_lettered`.
    pub outcome: &'static str,
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
        let (outcome, reason, error, tells) = match normalize(webhook, rules) {
            Ok(Normalized::Changes(changes)) => ("applied", None, None, tells(&changes)),
            Ok(Normalized::Ignored(ignored)) => {
                ("ignored", Some(ignored.reason()), None, BTreeMap::new())
            }
            Err(error) => {
                let (reason, words) = (Some(error.reason()), Some(error.to_string()));
                ("dead_lettered", reason, words, BTreeMap::new())
            }
        };
        Self { outcome, reason, error, tells }
    }

    /// Whether it would not be a dead letter again.
    pub fn succeeds(&self) -> bool {
        self.outcome != "dead_lettered"
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.unwrap_or_default();
        match &self.error {
            Some(error) => write!(formatter, "dead letter, {reason}: {error}"),
            None if self.outcome == "ignored" => write!(formatter, "ignored, {reason}"),
            None => {
                let counts = self.tells.iter().map(|(what, count)| format!("{count} {what}"));
                write!(formatter, "tells of {}", counts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn tells(changes: &Changes) -> BTreeMap<&'static str, usize> {
    let counts = [
        ("sessions", changes.sessions.len()),
        ("chats", changes.chats.len()),
        ("messages", changes.messages.len()),
        ("edits", changes.edits.len()),
        ("revocations", changes.revocations.len()),
        ("reactions", changes.reactions.len()),
        ("votes", changes.votes.len()),
        ("answers to invitations", changes.event_responses.len()),
        ("acks of members", changes.member_acks.len()),
        ("calls", changes.calls.len()),
        ("read marks", changes.reads.len()),
        ("contacts", changes.contacts.len()),
        ("members", changes.participants.len()),
        ("wishes to join", changes.join_requests.len()),
        ("labels", changes.labels.len()),
        ("labels on chats", changes.chat_labels.len()),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

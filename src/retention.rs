//! Lets go of what is kept for a limited time: bodies, the ledger, messages, calls, states of sessions, the old end of
//! the feed, dead letters that are settled, the audit log, probes of sessions.
//!
//! `schedule` is started by `lifecycle` beside a worker; `retention plan` and `retention run` ask for it at once.
//! Several processes may do it at once: whoever comes first has done it.
//!
//! Reading order: this file, what is kept for how long; `cleaner`, how it goes; `pace`, how gently; `schedule`,
//! when.
//!
//! Invariant: nothing that waits goes, and what the equation of `status` counts goes only with its count.

mod cleaner;
mod pace;
mod schedule;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::StoreError;
use crate::store::operations::retention::{MESSAGE_TABLES, RemovableRows, personal_kinds};

pub use cleaner::{Cleaner, RetentionError};
pub use schedule::run;

/// For how long things are kept; none: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Bodies, since they were received.
    pub bodies_age_max: Option<Duration>,
    /// Rows of the ledger, since the month in which they were received has ended.
    pub ledger_age_max: Option<Duration>,
    /// Messages with what hangs on them, since they were stored.
    pub messages_age_max: Option<Duration>,
    /// Calls, since they were stored.
    pub calls_age_max: Option<Duration>,
    /// States that sessions were in, since they were stored.
    pub statuses_age_max: Option<Duration>,
    /// Changes in the feed.
    pub feed_age_max: Option<Duration>,
    /// Dead letters, since they were replayed or discarded.
    pub letters_age_max: Option<Duration>,
    /// Entries of the audit log, but those that the equation counts.
    pub audit_age_max: Option<Duration>,
    /// What was found of sessions, and done about it.
    pub probes_age_max: Option<Duration>,
    /// At which hour of the day, in UTC, what takes long is begun.
    pub hour: u32,
    /// Most rows per second.
    pub rows_per_second: u32,
}

/// What can be let go of by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionKind {
    /// Bodies of webhooks; the ledger's rows stay.
    Bodies,
    /// Whole months of the ledger, with bodies and repetitions; their counts stay.
    Ledger,
    /// Messages with what hangs on them; the feed tells it.
    Messages,
    /// Calls; the feed tells it.
    Calls,
    /// States that sessions were in, but the newest of each; the feed tells it.
    Statuses,
    /// The old end of the feed.
    Changes,
    /// Dead letters that are settled, with what hangs on them.
    DeadLetters,
    /// The audit log.
    Audit,
    /// What was found of sessions, and done about it.
    Probes,
}

impl RetentionKind {
    /// Every one, in the order in which they go: dead letters keep rows of the ledger.
    pub const ALL: [Self; 9] = [
        Self::Bodies,
        Self::Changes,
        Self::DeadLetters,
        Self::Audit,
        Self::Probes,
        Self::Ledger,
        Self::Messages,
        Self::Calls,
        Self::Statuses,
    ];

    /// For commands and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Ledger => "ledger",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Statuses => "statuses",
            Self::Changes => "changes",
            Self::DeadLetters => "dead_letters",
            Self::Audit => "audit",
            Self::Probes => "probes",
        }
    }

    /// The key of the configuration that says for how long it is kept.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Bodies => "ledger.body_days",
            Self::Ledger => "retention.ledger_days",
            Self::Messages => "retention.message_days",
            Self::Calls => "retention.call_days",
            Self::Statuses => "retention.status_days",
            Self::Changes => "feed.keep_days",
            Self::DeadLetters => "retention.dead_letter_days",
            Self::Audit => "retention.audit_days",
            Self::Probes => "retention.probe_days",
        }
    }

    /// The tables whose rows go.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Bodies => &["webhook_bodies"],
            Self::Ledger => &["webhook_events", "webhook_bodies", "webhook_duplicates"],
            Self::Messages => &MESSAGE_TABLES,
            Self::Calls => &["waha_calls"],
            Self::Statuses => &["waha_session_statuses"],
            Self::Changes => &["waha_changes"],
            Self::DeadLetters => {
                &["dead_letters", "dead_letter_edits", "dead_letter_parts", "dead_letter_replays"]
            }
            Self::Audit => &["audit_logs"],
            Self::Probes => &["waha_session_probes"],
        }
    }

    /// Data of persons that goes with it, by kind: `identity`, `name`, `content`, `behaviour`, `staff`.
    pub fn personal(self) -> Vec<&'static str> {
        personal_kinds(self.tables())
    }

    /// How what goes of it is found again, where there is an archive.
    pub fn found_again(self) -> FoundAgain {
        match self {
            Self::Ledger => FoundAgain::InArchive,
            Self::Messages | Self::Calls | Self::Statuses => FoundAgain::FromWebhooks,
            Self::Bodies | Self::Changes | Self::DeadLetters | Self::Audit | Self::Probes => {
                FoundAgain::Nowhere
            }
        }
    }

    /// Whether it takes so long that it is begun once a day; the others go every hour.
    pub fn is_daily(self) -> bool {
        match self {
            Self::Ledger | Self::Messages | Self::Calls | Self::Statuses => true,
            Self::Bodies | Self::Changes | Self::DeadLetters | Self::Audit | Self::Probes => false,
        }
    }
}

/// How what is gone is found again, where there is an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundAgain {
    /// The archive has the rows.
    InArchive,
    /// Webhooks told it: as long as their bodies are in the ledger, and then in the archive, they tell it again.
    FromWebhooks,
    /// It is gone for good.
    Nowhere,
}

impl FoundAgain {
    /// For programs; none: nowhere.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::InArchive => Some("archive"),
            Self::FromWebhooks => Some("webhooks"),
            Self::Nowhere => None,
        }
    }
}

/// What would go of a kind now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRetention {
    /// Of what.
    pub kind: RetentionKind,
    /// What is older goes; none: nothing does.
    pub before: Option<DateTime<Utc>>,
    /// How much that is.
    pub removable: RemovableRows,
}

impl Retention {
    /// For how long a kind is kept.
    pub fn age_max(self, kind: RetentionKind) -> Option<Duration> {
        match kind {
            RetentionKind::Bodies => self.bodies_age_max,
            RetentionKind::Ledger => self.ledger_age_max,
            RetentionKind::Messages => self.messages_age_max,
            RetentionKind::Calls => self.calls_age_max,
            RetentionKind::Statuses => self.statuses_age_max,
            RetentionKind::Changes => self.feed_age_max,
            RetentionKind::DeadLetters => self.letters_age_max,
            RetentionKind::Audit => self.audit_age_max,
            RetentionKind::Probes => self.probes_age_max,
        }
    }
}

impl Cleaner {
    /// What would go now, of each kind. Reads whole tables: minutes on large ones.
    pub async fn plan(&self, retention: Retention) -> Result<Vec<PlannedRetention>, StoreError> {
        let mut planned = Vec::with_capacity(RetentionKind::ALL.len());
        for kind in RetentionKind::ALL {
            let before = retention.age_max(kind).map(|age_max| self.before(kind, age_max));
            let removable = match before {
                Some(before) => self.removable(kind, before).await?,
                None => RemovableRows::default(),
            };
            planned.push(PlannedRetention { kind, before, removable });
        }
        Ok(planned)
    }

    async fn removable(
        &self,
        kind: RetentionKind,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        match kind {
            RetentionKind::Bodies => self.store.removable_bodies(before).await,
            RetentionKind::Ledger => self.store.removable_webhooks(before).await,
            RetentionKind::Messages => self.store.removable_messages(before).await,
            RetentionKind::Calls => self.store.removable_calls(before).await,
            RetentionKind::Statuses => self.store.removable_statuses(before).await,
            RetentionKind::Changes => self.store.removable_changes(before).await,
            RetentionKind::DeadLetters => self.store.removable_letters(before).await,
            RetentionKind::Audit => self.store.removable_audit_logs(before).await,
            RetentionKind::Probes => self.store.removable_probes(before).await,
        }
    }
}

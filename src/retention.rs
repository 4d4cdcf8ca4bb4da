//! Lets go of what is kept for a limited time: bodies, the ledger, messages, calls, states of sessions, the old end of
//! the feed, dead letters that are settled, the audit log, probes of sessions.
//!
//! `schedule` is started by `lifecycle` beside a worker; `retention plan` and `retention run` ask for it at once.
//! Several processes may do it at once: whoever comes first has done it.
//!
//! Reading order: this file, what is kept; `ages`, for how long, perhaps of one source for another time; `cleaner`,
//! how it goes; `pace`, how gently; `schedule`, when.
//!
//! Invariant: nothing that waits goes, and what the equation of `status` counts goes only with its count.

mod ages;
mod cleaner;
mod pace;
mod schedule;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::StoreError;
use crate::store::operations::retention::{
    MESSAGE_TABLES, OfSources, RemovableRows, personal_kinds,
};

pub use ages::{Age, OwnAge};
pub use cleaner::{Cleaner, RetentionError};
pub use schedule::run;

/// For how long things are kept; none: for ever.
#[derive(Clone, Debug, Default)]
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
    /// What of some sources is kept for another time; at most one of each source and kind.
    pub own_ages: Vec<OwnAge>,
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

    /// The key of an age of its own below `retention.sources.NAME`; none of what belongs to no source, or goes by
    /// months or in the order in which it came.
    pub fn own_setting(self) -> Option<&'static str> {
        match self {
            Self::Bodies => Some("body_days"),
            Self::Messages => Some("message_days"),
            Self::Calls => Some("call_days"),
            Self::Statuses => Some("status_days"),
            Self::Ledger | Self::Changes | Self::DeadLetters | Self::Audit | Self::Probes => None,
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

/// What would go of a kind, of some sources, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRetention {
    /// Of what.
    pub kind: RetentionKind,
    /// Of which sources.
    pub sources: OfSources,
    /// The key of the configuration that says for how long it is kept.
    pub setting: String,
    /// What is older goes; none: nothing does.
    pub before: Option<DateTime<Utc>>,
    /// How much that is.
    pub removable: RemovableRows,
}

impl Cleaner {
    /// What would go now, of each kind, and of each source that has an age of its own. Reads whole tables: minutes
    /// on large ones.
    pub async fn plan(&self, retention: &Retention) -> Result<Vec<PlannedRetention>, StoreError> {
        let mut planned = Vec::with_capacity(RetentionKind::ALL.len());
        for kind in RetentionKind::ALL {
            for age in retention.ages(kind) {
                planned.push(self.plan_age(kind, age).await?);
            }
        }
        Ok(planned)
    }

    async fn plan_age(
        &self,
        kind: RetentionKind,
        age: Age,
    ) -> Result<PlannedRetention, StoreError> {
        let before = age.age_max.map(|age_max| self.before(kind, age_max));
        let removable = match before {
            Some(before) => self.removable(kind, before, &age.sources).await?,
            None => RemovableRows::default(),
        };
        let setting = age.setting(kind);
        Ok(PlannedRetention { kind, sources: age.sources, setting, before, removable })
    }

    async fn removable(
        &self,
        kind: RetentionKind,
        before: DateTime<Utc>,
        sources: &OfSources,
    ) -> Result<RemovableRows, StoreError> {
        match kind {
            RetentionKind::Bodies => self.store.removable_bodies(before, sources).await,
            RetentionKind::Ledger => self.store.removable_webhooks(before).await,
            RetentionKind::Messages => self.store.removable_messages(before, sources).await,
            RetentionKind::Calls => self.store.removable_calls(before, sources).await,
            RetentionKind::Statuses => self.store.removable_statuses(before, sources).await,
            RetentionKind::Changes => self.store.removable_changes(before).await,
            RetentionKind::DeadLetters => self.store.removable_letters(before).await,
            RetentionKind::Audit => self.store.removable_audit_logs(before).await,
            RetentionKind::Probes => self.store.removable_probes(before).await,
        }
    }
}

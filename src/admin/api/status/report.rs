//! What `status` tells: the same object on the command line and over the API.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::depth::{FileReport, LaneReport};
use super::process::{ProcessReport, ProcessView};
use crate::accounting::Accounting;
use crate::quiet_sessions::SilentSession;
use crate::store::connect::replica::ReplicaView;
use crate::store::operations::attachments::LateFiles;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::DeadLetterGroup;
use crate::store::operations::registrations::RegistrationDrift;
use crate::store::operations::sessions::SessionRow;
use crate::store::operations::watches::TroubledSession;

/// Whether every webhook is accounted for, what waits, and what somebody should look after.
#[derive(Serialize, ToSchema)]
pub struct StatusReport {
    /// The equation.
    #[serde(flatten)]
    pub counts: StatusCounts,
    /// The same for who tells it to people; none while it can't be counted.
    #[serde(skip)]
    #[schema(ignore)]
    pub equation: Option<Accounting>,
    /// What was looked at.
    pub place: StatusPlace,
    /// What does not answer, and why.
    pub away: Vec<AwayPart>,
    /// Which part of the equation can't be seen from here, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// In the spools; absent without a broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spooled: Option<u64>,
    /// None while the queue does not answer.
    pub lanes: Option<Vec<LaneReport>>,
    /// The file of the embedded queue or of the spool, where there is one here.
    pub file: Option<FileReport>,
    /// Whether the broker answers; none without one.
    pub broker_answers: Option<bool>,
    /// Who runs, and who ended without a word; as far as it can be read.
    pub processes: Vec<ProcessReport>,
    /// Whether a worker beat within the last minute; none while the tables can't be read.
    pub worker_seen: Option<bool>,
    /// Pending ones by cause, the most frequent first; none while the tables can't be read.
    pub dead_letter_groups: Option<Vec<DeadLetterGroup>>,
    /// None while it is not known up to when webhooks were processed.
    pub silent_sessions: Option<Vec<SilentSession>>,
    /// Sessions that WAHA calls failed; none while the tables can't be read.
    pub failed_sessions: Option<Vec<FailedSession>>,
    /// Sessions that the watchdog warns of; none while the tables can't be read.
    pub troubled_sessions: Option<Vec<TroubledSession>>,
    /// Sessions of WAHA that don't have our webhook as they should; none while the tables can't be read.
    pub registration_drifts: Option<Vec<RegistrationDrift>>,
    /// Files of messages that wait for longer than WAHA keeps them; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_files: Option<LateFiles>,
    /// The replica that lists are read from; absent without `database.read_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_replica: Option<ReplicaView>,
    /// Sources whose clock disagrees with ours.
    pub wrong_clocks: Vec<SourceClock>,
    /// Absent without `queue.management_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerReport>,
    /// Absent without an admin listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessView>,
}

/// The counts of the equation; each is none while it can't be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusCounts {
    /// Webhooks that the door made durable, or that were imported.
    pub accepted: Option<u64>,
    /// Those whose changes are in the tables.
    pub applied: Option<u64>,
    /// Repetitions of another one.
    pub duplicate: Option<u64>,
    /// Those that tell nothing for our tables.
    pub ignored: Option<u64>,
    /// Those that are kept as dead letters.
    pub dead_lettered: Option<u64>,
    /// Those that are queued, or in retry; without a broker also those in a worker's hand.
    pub waiting: Option<u64>,
    /// Those that are known to be lost, as an operator settled.
    pub lost: Option<u64>,
    /// Those that damage took out of the queue file or a spool: set aside beside it, or missing. They
    /// may be fewer.
    pub damaged: Option<u64>,
    /// How many moved while they were counted, may be in a worker's hand unseen, or were taken by a
    /// door that was killed before it counted them; 0 when the count is exact.
    pub uncertain: Option<u64>,
    /// Webhooks that were accepted and are nowhere. Above 0 only if that is known.
    pub missing: Option<u64>,
    /// Webhooks that ended or wait and were never accepted: some were doubled, or a count got lost.
    pub excess: Option<u64>,
    /// Whether the two sides are equal; none if that can't be known.
    pub balanced: Option<bool>,
    /// Why it can't be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was looked at, without passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusPlace {
    /// The folder of queue file, spool and keys.
    #[schema(value_type = String)]
    pub data_dir: PathBuf,
    /// The database's servers; none where no tables are used.
    pub database: Vec<String>,
    /// The queue file, or the broker's nodes.
    pub queue: Vec<String>,
}

/// Something that does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AwayPart {
    /// `database`, `queue` or `spool`; `count` if all answer and still nothing can be counted.
    pub what: &'static str,
    /// What it fails with.
    pub words: String,
}

/// A session that WAHA calls failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailedSession {
    /// Key of its row.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

/// What is wrong with queues and policies on the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrokerReport {
    /// Queues that lack members, policies that break promises; empty if all is well, or nothing is known.
    pub problems: Vec<String>,
    /// Why nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl From<&Accounting> for StatusCounts {
    fn from(equation: &Accounting) -> Self {
        let Accounting {
            accepted,
            applied,
            duplicate,
            ignored,
            dead_lettered,
            waiting,
            lost,
            damaged,
            uncertain,
            missing,
            excess,
            balanced,
            reason,
        } = equation.clone();
        Self {
            accepted: Some(accepted),
            applied: Some(applied),
            duplicate: Some(duplicate),
            ignored: Some(ignored),
            dead_lettered: Some(dead_lettered),
            waiting: Some(waiting),
            lost: Some(lost),
            damaged: Some(damaged),
            uncertain: Some(uncertain),
            missing: Some(missing),
            excess: Some(excess),
            balanced,
            reason,
        }
    }
}

impl From<SessionRow> for FailedSession {
    fn from(row: SessionRow) -> Self {
        let SessionRow { id, source, name: session, status_at: since, .. } = row;
        Self { id, source, session, since }
    }
}

impl BrokerReport {
    /// Where nothing is known.
    pub fn unknown(why: String) -> Self {
        Self { problems: Vec::new(), unknown: Some(why) }
    }
}

//! `GET /api/v1/status`: whether every webhook is accounted for, what waits, and what to look after.
//!
//! The command line tells the same object (`cli/status`), looked at from outside; here is what this process
//! sees. Each part is asked for by itself and soon given up, so that what is away hides nothing else.

mod depth;
mod process;
mod report;

use std::time::Duration;

use actix_web::web;
use tokio::time::timeout;

use super::ApiError;
use super::dead_letters::by_cause;
use super::error::Refused;
use super::refusals::{RefusalGroup, RefusalReport};
use crate::accounting::Accounting;
use crate::admin::Admin;
use crate::admin::health::dependencies;
use crate::monitor::broker::LastInspection;
use crate::store::connect::replica::ReplicaView;
use crate::store::operations::attachments::LateFiles;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};
use crate::store::operations::registrations::RegistrationDrift;
use crate::store::operations::watches::TroubledSession;
use crate::store::{Store, StoreError};

pub use depth::{FileReport, LaneReport, lane_reports};
pub use process::{AwayDependency, ProcessReport, ProcessView};
pub use report::{AwayPart, BrokerReport, FailedSession, StatusCounts, StatusPlace, StatusReport};

/// Groups of dead letters that are told; their own list has all.
pub const GROUPS_MAX: u64 = 10;
/// How long a long ledger may be counted for who asks over the API.
const COUNT_MAX: Duration = Duration::from_secs(30);
/// What takes longer is told as not known.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Whether every webhook is accounted for, what waits, and what somebody should look after. `waha-ingest status
/// --json` tells the same. Counting is shared by all who ask within some seconds.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "process",
    responses((status = 200, body = StatusReport), Refused)
)]
pub(super) async fn status(admin: web::Data<Admin>) -> Result<web::Json<StatusReport>, ApiError> {
    Ok(web::Json(Box::pin(StatusReport::read(&admin, COUNT_MAX)).await))
}

/// What the tables say.
#[derive(Default)]
struct OfTables {
    groups: Option<Vec<DeadLetterGroup>>,
    failed: Option<Vec<FailedSession>>,
    troubled: Option<Vec<TroubledSession>>,
    drifts: Option<Vec<RegistrationDrift>>,
    late_files: Option<LateFiles>,
    clocks: Option<Vec<SourceClock>>,
}

impl StatusReport {
    /// Looks and counts for so long at most, or shares a look and a count of a moment ago.
    pub(in crate::admin) async fn read(admin: &Admin, count_max: Duration) -> Self {
        let (counted, tables, look, spooled) = tokio::join!(
            timeout(count_max, admin.count()),
            OfTables::read(admin),
            admin.observer.look(),
            spooled(admin),
        );
        let equation = counted.ok().flatten();
        let now_ms = look.as_ref().map_or(0, |look| look.at_ms);
        let depth = look.as_ref().and_then(|look| look.depth.as_ref());
        let processes = within(admin.processes(now_ms)).await.flatten();
        let away = AwayPart::all(admin);
        Self {
            counts: StatusCounts::read(admin, equation.as_ref(), &away).await,
            equation,
            place: admin.place(),
            away,
            unseen: admin.store.is_none().then(|| NO_TABLES.to_owned()),
            spooled,
            lanes: depth.map(|depth| lane_reports(depth, now_ms)),
            file: depth.and_then(|depth| depth.file).map(FileReport::from),
            broker_answers: depth.and_then(|depth| depth.broker_answers),
            worker_seen: processes.as_deref().map(ProcessReport::has_worker),
            processes: processes.unwrap_or_default(),
            dead_letter_groups: tables.groups,
            silent_sessions: admin
                .store
                .is_some()
                .then(|| admin.observer.silent_sessions().to_vec()),
            failed_sessions: tables.failed,
            troubled_sessions: tables.troubled,
            registration_drifts: tables.drifts,
            late_files: tables.late_files,
            read_replica: replica(admin).await,
            wrong_clocks: tables.clocks.unwrap_or_default(),
            broker: admin.broker_inspection.as_ref().map(BrokerReport::of),
            process: admin.listen.map(|listen| ProcessView::here(admin, listen)),
        }
    }
}

/// Why a door alone can't see the whole equation.
const NO_TABLES: &str = "this process has no tables: `up`, `work` and the command line see them";

impl OfTables {
    async fn read(admin: &Admin) -> Self {
        let Some(store) = admin.store.as_deref() else { return Self::default() };
        let (groups, failed, troubled, drifts, late_files, clocks) = tokio::join!(
            within(by_cause(admin, DeadLetterFilter::default(), GROUPS_MAX)),
            within(failed_sessions(store)),
            within(store.troubled_sessions()),
            within(store.registration_drifts()),
            within(store.late_files()),
            within(store.wrong_clocks()),
        );
        Self {
            groups: groups.and_then(Result::ok).map(|found| found.groups),
            failed: failed.and_then(Result::ok),
            troubled: troubled.and_then(Result::ok),
            drifts: drifts.and_then(Result::ok),
            late_files: late_files.and_then(Result::ok).flatten(),
            clocks: clocks.and_then(Result::ok),
        }
    }
}

async fn failed_sessions(store: &Store) -> Result<Vec<FailedSession>, StoreError> {
    Ok(store.failed_sessions().await?.into_iter().map(FailedSession::from).collect())
}

async fn replica(admin: &Admin) -> Option<ReplicaView> {
    within(admin.store.as_ref()?.replica()).await.flatten()
}

async fn spooled(admin: &Admin) -> Option<u64> {
    within(admin.sides.as_ref()?.spooled()).await?.ok().flatten()
}

/// None of what takes too long.
async fn within<T>(asked: impl Future<Output = T>) -> Option<T> {
    timeout(ANSWER_MAX, asked).await.ok()
}

impl StatusCounts {
    /// All of it, or the door's side alone and why.
    async fn read(admin: &Admin, equation: Option<&Accounting>, away: &[AwayPart]) -> Self {
        if let Some(equation) = equation {
            return Self::from(equation);
        }
        let words = away.iter().map(|AwayPart { what, words }| format!("{what}: {words}"));
        let words = words.chain(admin.store.is_none().then(|| NO_TABLES.to_owned()));
        let reason = words.collect::<Vec<_>>().join("; ");
        let door = match &admin.sides {
            Some(sides) => within(sides.door_counts()).await.and_then(Result::ok),
            None => None,
        };
        Self {
            accepted: door.map(|door| door.accepted),
            waiting: door.and_then(|door| door.waiting),
            reason: Some(if reason.is_empty() { NOT_COUNTED.to_owned() } else { reason }),
            ..Self::default()
        }
    }
}

/// Why nothing is known though nothing is away.
const NOT_COUNTED: &str =
    "it could not be counted in time, or this process does not see every door";

impl BrokerReport {
    fn of(last: &LastInspection) -> Self {
        match last.get() {
            Some(Ok(problems)) => Self { problems, unknown: None },
            Some(Err(why)) => Self::unknown(why),
            None => Self::unknown("it was not inspected yet".to_owned()),
        }
    }
}

impl AwayPart {
    /// What this process can't use now.
    fn all(admin: &Admin) -> Vec<Self> {
        let away = dependencies(admin).filter(|(_, it)| it.is_down());
        away.map(|(what, it)| Self { what, words: it.last_use.failure.unwrap_or_default() })
            .collect()
    }
}

impl ProcessView {
    /// Of this process.
    fn here(admin: &Admin, listen: std::net::SocketAddr) -> Self {
        let away = dependencies(admin).filter(|(_, it)| it.is_down());
        let away = away.map(|(dependency, it)| AwayDependency {
            dependency: dependency.to_owned(),
            since: it.since,
            words: it.last_use.failure.unwrap_or_default(),
        });
        let refusals = Some(RefusalGroup::all(RefusalReport::last(admin)));
        Self { admin_listen: listen, answers: true, away: away.collect(), refusals }
    }
}

//! Where `status` looks: queue and tables, opened once, as far as they answer.
//!
//! Invariant: what is away keeps nothing else from being told, and nobody waits long for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use super::broker::inspect;
use super::process::Process;
use super::tables::Tables;
use crate::accounting::{Accounting, AccountingError, CountSources};
use crate::admin::{
    AwayPart, BrokerReport, FileReport, ProcessReport, ProcessView, StatusCounts, StatusPlace,
    StatusReport, lane_reports,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{
    NoTables, NothingThere, is_there, open_existing_store, open_management, open_sides,
};
use crate::queue::Depth;
use crate::queue::rabbitmq::management::Management;
use crate::quiet_sessions::Silence;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::operations::processes::ProcessRow;
use crate::store::operations::settlement::Settlement;
use crate::telemetry::cause;

/// How long the queue may take to say what it holds.
const QUEUE_ANSWER_MAX: Duration = Duration::from_secs(5);

/// What does not answer.
#[derive(Default)]
struct Away(Vec<AwayPart>);

/// The tables, unless there are none to see.
enum TableSources {
    Opened {
        store: Arc<Store>,
        silence: Silence,
    },
    /// None are configured.
    Unseen(NoTables),
    /// A door has been at work in this folder, and no worker yet.
    Unmade(NothingThere),
}

/// What is looked at, opened once.
pub(super) struct StatusSources {
    clock: Arc<dyn Clock>,
    tables: TableSources,
    sides: CountSources,
    management: Option<Management>,
    process: Option<Process>,
    place: StatusPlace,
}

impl StatusSources {
    pub(super) async fn open(config: &Config, spools: &[PathBuf]) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let tables = TableSources::open(config, &clock).await?;
        Ok(Self {
            sides: open_sides(config, &clock, spools)?,
            management: open_management(config)?,
            process: Process::of(config)?,
            place: StatusPlace {
                data_dir: config.data_dir.clone(),
                database: tables.store().map(Store::places).unwrap_or_default(),
                queue: config.queue_places(),
            },
            tables,
            clock,
        })
    }

    /// With the equation of one moment.
    pub(super) async fn report(&self) -> anyhow::Result<StatusReport> {
        self.look(async |store| self.sides.count(store).await).await
    }

    /// With an equation that holds up nobody.
    pub(super) async fn report_moving(&self) -> anyhow::Result<StatusReport> {
        self.look(async |store| self.sides.count_moving(store).await).await
    }

    /// What an operator could settle now, or why nothing.
    pub(super) async fn settlement(&self) -> anyhow::Result<Result<Settlement, String>> {
        match &self.tables {
            TableSources::Opened { store, .. } => Ok(self.sides.settlement(store).await?),
            TableSources::Unseen(why) => Ok(Err(why.to_string())),
            TableSources::Unmade(why) => Ok(Err(why.no_tables_yet())),
        }
    }

    /// Settles; returns the number of the entry in the audit log.
    pub(super) async fn settle(
        &self,
        settled: &Settlement,
        actor: &Actor,
        note: Option<&str>,
    ) -> anyhow::Result<i64> {
        let store = self.tables.store().context("no tables are configured")?;
        Ok(store.settle(settled, actor, note).await?)
    }

    /// Whoever is away is asked once, not by each question.
    async fn look(
        &self,
        count: impl AsyncFnOnce(&Store) -> Result<Accounting, AccountingError>,
    ) -> anyhow::Result<StatusReport> {
        let now_ms = self.clock.now_ms();
        let (problem, depth, process) =
            tokio::join!(self.database_problem(), self.depth(), self.process_view());
        let mut away = Away::default();
        let depth = away.note("queue", depth);
        let (mut equation, mut tables) = (None, None);
        if away.note("database", problem).is_some()
            && let TableSources::Opened { store, silence } = &self.tables
        {
            let until = depth.as_ref().and_then(|depth| depth.ended_until(now_ms));
            let read = Tables::read(store, silence, until).await;
            tables = away.note("database", read.map_err(|error| cause::words(&error)));
            if depth.is_some() && tables.is_some() {
                let counted = count(store).await.map_err(|error| cause::words(&error));
                equation = away.note("count", counted);
            }
        }
        let counts = match &equation {
            Some(equation) => StatusCounts::from(equation),
            None => self.uncounted(&away).await,
        };
        let can_see_workers = tables.is_some() || matches!(self.tables, TableSources::Unmade(_));
        let Tables {
            workers,
            groups,
            silent,
            failed,
            troubled,
            drifts,
            late_files,
            replica,
            wrong_clocks,
        } = tables.unwrap_or_default();
        let processes = self.processes(&workers, now_ms).await;
        Ok(StatusReport {
            counts,
            equation,
            place: self.place.clone(),
            away: away.0,
            unseen: self.tables.unseen(),
            spooled: self.sides.spooled().await.ok().flatten(),
            lanes: depth.as_ref().map(|depth| lane_reports(depth, now_ms)),
            file: depth.as_ref().and_then(|depth| depth.file).map(FileReport::from),
            broker_answers: depth.as_ref().and_then(|depth| depth.broker_answers),
            worker_seen: can_see_workers.then(|| ProcessReport::has_worker(&processes)),
            processes,
            dead_letter_groups: groups,
            silent_sessions: silent,
            failed_sessions: failed,
            troubled_sessions: troubled,
            registration_drifts: drifts,
            late_files,
            read_replica: replica,
            wrong_clocks,
            broker: self.broker_report().await,
            process,
        })
    }

    /// An error if no server that the URL names can be used.
    async fn database_problem(&self) -> Result<(), String> {
        let Some(store) = self.tables.store() else { return Ok(()) };
        let problems = store.problems().await;
        if problems.iter().any(Option::is_none) {
            return Ok(());
        }
        let words = problems.iter().flatten().map(ToString::to_string);
        Err(words.collect::<Vec<_>>().join("; "))
    }

    async fn depth(&self) -> Result<Depth, String> {
        match timeout(QUEUE_ANSWER_MAX, self.sides.depth()).await {
            Ok(depth) => depth.map_err(|error| cause::words(&error)),
            Err(_) => Err(format!("no answer within {} s", QUEUE_ANSWER_MAX.as_secs())),
        }
        .map_err(|words| format!("{}: {words}", self.place.queue.join(", ")))
    }

    async fn process_view(&self) -> Option<ProcessView> {
        match &self.process {
            Some(process) => Some(process.view().await),
            None => None,
        }
    }

    async fn broker_report(&self) -> Option<BrokerReport> {
        match &self.management {
            Some(management) => Some(inspect(management).await),
            None => None,
        }
    }

    /// The door's side alone.
    async fn uncounted(&self, away: &Away) -> StatusCounts {
        let door = self.sides.door_counts().await.ok();
        let Away(away) = away;
        let words = away.iter().map(|AwayPart { what, words }| format!("{what}: {words}"));
        let words = words.chain(self.tables.unseen());
        StatusCounts {
            accepted: door.map(|door| door.accepted),
            waiting: door.and_then(|door| door.waiting),
            reason: Some(words.collect::<Vec<_>>().join("; ")),
            ..StatusCounts::default()
        }
    }

    /// As far as they can be read.
    async fn processes(&self, workers: &[ProcessRow], now_ms: i64) -> Vec<ProcessReport> {
        let doors = self.sides.doors().await.unwrap_or_default();
        let doors = doors.iter().map(|door| ProcessReport::of_door(door, now_ms));
        doors.chain(workers.iter().map(|row| ProcessReport::of_worker(row, now_ms))).collect()
    }
}

impl TableSources {
    async fn open(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = match open_existing_store(config, clock).await {
            Ok(store) => store,
            Err(error) => match error.downcast::<NothingThere>() {
                Ok(why) if is_there(&config.queue_path()) => return Ok(Self::Unmade(why)),
                Ok(why) => return Err(why.into()),
                Err(error) => return Ok(Self::Unseen(error.downcast::<NoTables>()?)),
            },
        };
        let silence = Silence::new(Arc::clone(&store), config.silent_after);
        Ok(Self::Opened { store, silence })
    }

    fn store(&self) -> Option<&Store> {
        match self {
            Self::Opened { store, .. } => Some(store),
            Self::Unseen(_) | Self::Unmade(_) => None,
        }
    }

    fn unseen(&self) -> Option<String> {
        match self {
            Self::Opened { .. } => None,
            Self::Unseen(why) => Some(why.to_string()),
            Self::Unmade(why) => Some(why.no_tables_yet()),
        }
    }
}

impl Away {
    /// What was asked for, or a note of why it does not come.
    fn note<T>(&mut self, what: &'static str, answer: Result<T, String>) -> Option<T> {
        answer.map_err(|words| self.0.push(AwayPart { what, words })).ok()
    }
}

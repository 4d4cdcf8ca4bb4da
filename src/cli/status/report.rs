//! What `status` shows, looked up in queue and tables, as far as they answer.
//!
//! Invariant: what is away keeps nothing else from being told, and nobody waits long for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::time::timeout;

use super::broker::BrokerReport;
use super::process::{Process, ProcessView};
use super::sessions::Sessions;
use super::tables::Tables;
use crate::accounting::{Accounting, AccountingError, CountSources};
use crate::admin::{LaneReport, ProcessReport};
use crate::cli::output::plain;
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config, without_password};
use crate::lifecycle::{NoTables, open_existing_store, open_management, open_sides};
use crate::queue::Depth;
use crate::queue::rabbitmq::management::Management;
use crate::quiet_sessions::Silence;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::DeadLetterGroup;
use crate::store::operations::settlement::Settlement;
use crate::telemetry::cause;

/// How long the queue may take to say what it holds.
const QUEUE_ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is printed.
#[derive(Serialize)]
pub(super) struct Report {
    /// None while it can't be counted.
    #[serde(flatten)]
    pub(super) equation: Option<Accounting>,
    /// What is known instead.
    #[serde(flatten)]
    pub(super) uncounted: Option<Uncounted>,
    /// What was looked at.
    pub(super) place: Place,
    /// What does not answer, and why.
    pub(super) away: Vec<AwayPart>,
    /// Which part of the equation can't be seen with this configuration, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unseen: Option<String>,
    /// In the spools; absent without a broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spooled: Option<u64>,
    /// None while the queue does not answer.
    pub(super) lanes: Option<Vec<LaneReport>>,
    /// Who runs, and who ended without a word; as far as it can be read.
    pub(super) processes: Vec<ProcessReport>,
    /// Pending ones by cause, the most frequent first; none while the tables can't be read.
    pub(super) dead_letter_groups: Option<Vec<DeadLetterGroup>>,
    #[serde(flatten)]
    pub(super) sessions: Option<Sessions>,
    /// Sources whose clock disagrees with ours.
    pub(super) wrong_clocks: Vec<SourceClock>,
    /// Absent without `queue.management_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broker: Option<BrokerReport>,
    /// Absent without an admin listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessView>,
}

/// What is known though not everything can be counted.
#[derive(Serialize)]
pub(super) struct Uncounted {
    /// Always none.
    balanced: Option<bool>,
    /// Why.
    pub(super) reason: String,
    /// What the doors of this folder took in, if that can be read.
    pub(super) accepted: Option<u64>,
    /// What waits, if all of it can be read.
    pub(super) waiting: Option<u64>,
}

/// What was looked at, without passwords.
#[derive(Clone, Serialize)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    pub(super) database: Vec<String>,
    pub(super) queue: Vec<String>,
}

/// What does not answer.
#[derive(Default)]
struct Away(Vec<AwayPart>);

/// Something that does not answer.
#[derive(Serialize)]
pub(super) struct AwayPart {
    /// `database` or `queue`; `count` if both answer and still can't be counted.
    pub(super) what: &'static str,
    pub(super) words: String,
}

impl Report {
    /// A line for each thing that does not answer, and for what can't be seen. Since when, the process says that uses it.
    pub(super) fn away_lines(&self) -> Vec<String> {
        let line = |AwayPart { what, words }: &AwayPart| plain(&format!("away: {what}: {words}"));
        let unseen = self.unseen.iter().map(|why| plain(&format!("not seen: {why}")));
        self.away.iter().map(line).chain(unseen).collect()
    }
}

impl Uncounted {
    /// For people.
    pub(super) fn line(&self) -> String {
        let known = |name: &str, count: Option<u64>| {
            count.map_or_else(|| format!("{name} not known"), |count| format!("{name} {count}"))
        };
        let (accepted, waiting) =
            (known("accepted", self.accepted), known("waiting", self.waiting));
        format!("{accepted}, {waiting}, the rest can't be counted: not known")
    }
}

impl Place {
    /// For people. Names come from the configuration.
    pub(super) fn line(&self) -> String {
        let Self { data_dir, database, queue } = self;
        let database = if database.is_empty() { "none".to_owned() } else { database.join("; ") };
        let queue = queue.join(", ");
        plain(&format!(
            "looked at: data {}; database {database}; queue {queue}",
            data_dir.display()
        ))
    }
}

/// The tables, unless no tables are configured.
enum TableSources {
    Opened { store: Arc<Store>, silence: Silence },
    Unseen(NoTables),
}

/// What is looked at, opened once.
pub(super) struct StatusSources {
    clock: Arc<dyn Clock>,
    tables: TableSources,
    sides: CountSources,
    management: Option<Management>,
    process: Option<Process>,
    place: Place,
}

impl StatusSources {
    pub(super) async fn open(config: &Config, spools: &[PathBuf]) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let tables = TableSources::open(config, &clock).await?;
        Ok(Self {
            sides: open_sides(config, &clock, spools)?,
            management: open_management(config)?,
            process: Process::of(config)?,
            place: Place {
                data_dir: config.data_dir.clone(),
                database: tables.store().map(Store::places).unwrap_or_default(),
                queue: queue_places(config),
            },
            tables,
            clock,
        })
    }

    /// With the equation of one moment.
    pub(super) async fn report(&self) -> anyhow::Result<Report> {
        self.look(async |store| self.sides.count(store).await).await
    }

    /// With an equation that holds up nobody.
    pub(super) async fn report_moving(&self) -> anyhow::Result<Report> {
        self.look(async |store| self.sides.count_moving(store).await).await
    }

    /// What an operator could settle now, or why nothing.
    pub(super) async fn settlement(&self) -> anyhow::Result<Result<Settlement, String>> {
        match &self.tables {
            TableSources::Opened { store, .. } => Ok(self.sides.settlement(store).await?),
            TableSources::Unseen(why) => Ok(Err(why.to_string())),
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
    ) -> anyhow::Result<Report> {
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
        let uncounted = match &equation {
            Some(_) => None,
            None => Some(self.uncounted(&away).await),
        };
        let processes = self.processes(tables.as_ref(), now_ms).await;
        let lanes = depth.as_ref().map(|depth| lanes(depth, now_ms));
        let broker = self.broker_report().await;
        let spooled = self.sides.spooled().await.ok().flatten();
        let (place, unseen) = (self.place.clone(), self.tables.unseen());
        let (away, (dead_letter_groups, sessions, wrong_clocks)) = (away.0, told(tables));
        Ok(Report {
            equation,
            uncounted,
            place,
            away,
            unseen,
            spooled,
            lanes,
            processes,
            dead_letter_groups,
            sessions,
            wrong_clocks,
            broker,
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
            Some(management) => Some(BrokerReport::find(management).await),
            None => None,
        }
    }

    /// The door's side alone.
    async fn uncounted(&self, away: &Away) -> Uncounted {
        let counts = self.sides.door_counts().await.ok();
        let Away(away) = away;
        let words = away.iter().map(|AwayPart { what, words }| format!("{what}: {words}"));
        let words = words.chain(self.tables.unseen());
        Uncounted {
            balanced: None,
            reason: words.collect::<Vec<_>>().join("; "),
            accepted: counts.map(|counts| counts.accepted),
            waiting: counts.and_then(|counts| counts.waiting),
        }
    }

    /// As far as they can be read.
    async fn processes(&self, tables: Option<&Tables>, now_ms: i64) -> Vec<ProcessReport> {
        let doors = self.sides.doors().await.unwrap_or_default();
        let doors = doors.iter().map(|door| ProcessReport::of_door(door, now_ms));
        let workers = tables.into_iter().flat_map(|tables| &tables.workers);
        doors.chain(workers.map(|row| ProcessReport::of_worker(row, now_ms))).collect()
    }
}

impl TableSources {
    async fn open(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = match open_existing_store(config, clock).await {
            Ok(store) => store,
            Err(error) => return Ok(Self::Unseen(error.downcast::<NoTables>()?)),
        };
        let silence = Silence::new(Arc::clone(&store), config.silent_after);
        Ok(Self::Opened { store, silence })
    }

    fn store(&self) -> Option<&Store> {
        match self {
            Self::Opened { store, .. } => Some(store),
            Self::Unseen(_) => None,
        }
    }

    fn unseen(&self) -> Option<String> {
        match self {
            Self::Opened { .. } => None,
            Self::Unseen(why) => Some(why.to_string()),
        }
    }
}

impl Away {
    /// What was asked for, or a note of why it does not come.
    fn note<T>(&mut self, what: &'static str, answer: Result<T, String>) -> Option<T> {
        answer.map_err(|words| self.0.push(AwayPart { what, words })).ok()
    }
}

fn lanes(depth: &Depth, now_ms: i64) -> Vec<LaneReport> {
    depth.lanes.iter().map(|lane| LaneReport::new(lane, now_ms)).collect()
}

/// What the tables tell beside who works.
fn told(
    tables: Option<Tables>,
) -> (Option<Vec<DeadLetterGroup>>, Option<Sessions>, Vec<SourceClock>) {
    match tables {
        Some(tables) => (Some(tables.groups), Some(tables.sessions), tables.wrong_clocks),
        None => (None, None, Vec::new()),
    }
}

fn queue_places(config: &Config) -> Vec<String> {
    match &config.queue.backend {
        Backend::Embedded => vec![config.queue_path().display().to_string()],
        Backend::Broker(broker) => {
            broker.urls.iter().map(|url| without_password(url.expose_secret())).collect()
        }
    }
}

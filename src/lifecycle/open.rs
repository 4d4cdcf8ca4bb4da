//! Opens what the configuration names: data folder, queue, database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;

use super::Roles;
use super::beat::BEAT_EVERY;
use super::folder_lock::FolderLock;
use super::private::warn_of_readers;
use super::there::{NoTables, ensure_there};
use crate::accounting::{CountSources, Distributed};
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, BrokerConfig, Config, SourceConfig};
use crate::metrics::{Metrics, Scope};
use crate::monitor::Monitor;
use crate::monitor::broker::BrokerInspector;
use crate::monitor::disk::DiskMonitor;
use crate::queue::rabbitmq::management::Management;
use crate::queue::rabbitmq::{Options as BrokerOptions, RabbitmqQueue};
use crate::queue::reported::{PublishReport, ReportedQueue};
use crate::queue::spool::Spool;
use crate::queue::sqlite::{Options, SqliteQueue};
use crate::queue::{Lane, Queue};
use crate::server::Door;
use crate::store::connect::sqlite_file::file_of;
use crate::store::{Store, StoreOptions};
use crate::telemetry::dependency::{Dependencies, Usage};
use crate::webhook::source::Source;
use crate::worker::{ByteBudget, Worker};

/// How long a consumer that nobody asks is kept; brokers give up after half an hour.
const IDLE_MAX: Duration = Duration::from_mins(5);

/// What a process is made of.
pub struct Parts {
    /// How it is configured.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where webhooks wait.
    pub queue: Arc<dyn Queue>,
    /// The broker behind it, whose URLs may change; none with the embedded queue.
    pub broker: Option<RabbitmqQueue>,
    /// The tables, if this process uses them.
    pub store: Option<Arc<Store>>,
    /// Where accepted webhooks are counted; none where this process can't see all of it.
    pub sides: Option<CountSources>,
    /// What it runs.
    pub scope: Scope,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Keeps others from being the same on its folder, as long as the process lives.
    pub folder_lock: FolderLock,
}

impl Parts {
    /// Opens the queue and, for a process that works, the tables.
    pub async fn open(config: Arc<Config>, roles: Roles) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        warn_of_readers(&config.data_dir);
        let folder_lock = lock_folder(&config, roles)?;
        let dependencies = Dependencies::new();
        let OpenedQueue { queue, broker, sides } =
            open_counted_queue(&config, &clock, roles.serves, &dependencies)?;
        let store = if roles.works { Some(open_store(&config, &clock).await?) } else { None };
        let scope = Scope {
            serves: roles.serves,
            works: roles.works,
            has_broker: matches!(config.queue.backend, Backend::Broker(_)),
        };
        let sources: Vec<String> = config.sources.iter().map(|it| it.name.clone()).collect();
        let metrics = Arc::new(Metrics::new(scope, &sources, dependencies));
        Ok(Self { config, clock, queue, broker, store, sides, scope, metrics, folder_lock })
    }

    /// The door of the configured sources.
    pub fn door(&self) -> Arc<Door> {
        let sources: Vec<Source> = self.config.sources.iter().map(SourceConfig::source).collect();
        for source in sources.iter().filter(|source| !source.is_verified()) {
            tracing::warn!(source = source.name(), "verify = \"none\": anybody can send webhooks");
        }
        let (queue, clock) = (Arc::clone(&self.queue), Arc::clone(&self.clock));
        let metrics = self.metrics.door.clone();
        Arc::new(Door::new(sources, queue, clock, self.config.limits.clone(), metrics))
    }

    /// The worker.
    pub fn worker(&self) -> anyhow::Result<Worker> {
        let store = self.store.as_ref().context("a worker needs the tables")?;
        Ok(Worker {
            queue: Arc::clone(&self.queue),
            store: Arc::clone(store),
            clock: Arc::clone(&self.clock),
            rules: self.config.rules.clone(),
            policy: self.config.retry.clone(),
            batch_max: self.config.batch_max,
            concurrency: self.config.concurrency,
            budget: byte_budget(&self.config),
            hold_max: self.config.hold_max,
            metrics: self.metrics.worker.clone(),
            dependencies: self.metrics.dependencies.clone(),
        })
    }

    /// Who looks at what this process depends on.
    pub fn observer(&self) -> Arc<Monitor> {
        let queue = Arc::clone(&self.queue);
        let store = self.store.clone();
        let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let silent_after = self.config.silent_after;
        Arc::new(Monitor::new(queue, store, clock, metrics, self.scope, silent_after))
    }

    /// Who looks at the disk of the data folder; none where nothing is kept there.
    pub fn disk_monitor(&self) -> Option<DiskMonitor> {
        let keeps_files = self.scope.serves || !self.scope.has_broker;
        let (folder, gauges) = (self.config.data_dir.clone(), self.metrics.gauges.clone());
        keeps_files.then(|| DiskMonitor::new(folder, gauges))
    }

    /// Who looks at the broker's queues from outside; none where its management API is not configured.
    pub fn broker_inspector(&self) -> anyhow::Result<Option<BrokerInspector>> {
        let gauges = self.metrics.broker.clone();
        let clock = Arc::clone(&self.clock);
        let management = open_management(&self.config)?;
        Ok(management.map(|management| BrokerInspector::new(management, gauges, clock)))
    }
}

/// The broker's management API, if it is configured.
pub fn open_management(config: &Config) -> anyhow::Result<Option<Management>> {
    let Backend::Broker(broker) = &config.queue.backend else { return Ok(None) };
    if broker.management_urls.is_empty() {
        return Ok(None);
    }
    let options = broker_options(config, broker);
    Ok(Some(Management::new(&options, &broker.management_urls)?))
}

/// What the worker may have in hand: a share for each batch of each lane.
fn byte_budget(config: &Config) -> ByteBudget {
    let batches = Lane::ALL.len() * config.concurrency;
    ByteBudget::new(config.batch_bytes_max, config.worker_memory_bytes_max, batches)
}

/// Opens the queue that is configured, for somebody who publishes beside its processes. The embedded one
/// must be there.
pub fn open_queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Queue>> {
    if matches!(config.queue.backend, Backend::Embedded) {
        ensure_there(&config.queue_path())?;
    }
    Ok(open_counted_queue(config, clock, false, &Dependencies::new())?.queue)
}

/// Opens the embedded queue to look into it.
pub fn inspect_queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SqliteQueue> {
    ensure_there(&config.queue_path())?;
    let options = Options::new(config.queue.bytes_max, Arc::clone(clock));
    SqliteQueue::inspect(config.queue_path(), options)
        .with_context(|| format!("the embedded queue {}", config.queue_path().display()))
}

/// A queue, and what is known of it.
struct OpenedQueue {
    queue: Arc<dyn Queue>,
    broker: Option<RabbitmqQueue>,
    sides: Option<CountSources>,
}

/// The same, and where a process that has a door can count it all. With a broker that is true if it
/// is the only door; `status` can be told of others.
fn open_counted_queue(
    config: &Config,
    clock: &Arc<dyn Clock>,
    serves: bool,
    dependencies: &Dependencies,
) -> anyhow::Result<OpenedQueue> {
    let broker = match &config.queue.backend {
        Backend::Embedded => {
            let queue = open_embedded(config, clock)?;
            let report = PublishReport {
                usage: Usage::Publish,
                dependencies: dependencies.clone(),
                clock: Arc::clone(clock),
                slow_after: config.limits.publish_timeout / 2,
            };
            let reported = ReportedQueue::new(Arc::new(queue.clone()), report);
            let sides = Some(CountSources::Embedded(queue));
            return Ok(OpenedQueue { queue: Arc::new(reported), broker: None, sides });
        }
        Backend::Broker(broker) => broker,
    };
    let queue = RabbitmqQueue::open(broker_options(config, broker));
    if !serves {
        let broker = Some(queue.clone());
        return Ok(OpenedQueue { queue: Arc::new(queue), broker, sides: None });
    }
    let spool = open_spool(config, broker, queue.clone(), clock, dependencies)?;
    let broker = Some(queue.clone());
    let distributed = Distributed::new(queue, vec![config.spool_path()], BEAT_EVERY);
    let sides = Some(CountSources::Distributed(distributed));
    Ok(OpenedQueue { queue: Arc::new(spool), broker, sides })
}

/// Opens the embedded queue; a damaged file is mended.
fn open_embedded(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SqliteQueue> {
    make_data_dir(config)?;
    let options = Options::new(config.queue.bytes_max, Arc::clone(clock));
    SqliteQueue::open_or_mend(config.queue_path(), options)
        .with_context(|| format!("the embedded queue {}", config.queue_path().display()))
}

fn open_spool(
    config: &Config,
    broker: &BrokerConfig,
    queue: RabbitmqQueue,
    clock: &Arc<dyn Clock>,
    dependencies: &Dependencies,
) -> anyhow::Result<Spool> {
    make_data_dir(config)?;
    spool_at(&config.spool_path(), broker, queue, clock, dependencies)
}

fn spool_at(
    path: &Path,
    broker: &BrokerConfig,
    queue: RabbitmqQueue,
    clock: &Arc<dyn Clock>,
    dependencies: &Dependencies,
) -> anyhow::Result<Spool> {
    let options = Options::new(broker.spool_bytes_max, Arc::clone(clock));
    Spool::open(Arc::new(queue), path, options, broker.publish_max, dependencies)
        .with_context(|| format!("the spool {}", path.display()))
}

/// A spool whose door is gone, which goes to the broker as long as this is kept.
pub struct LeftSpool {
    _spool: Spool,
    _folder_lock: FolderLock,
}

/// Opens the spool file at `path`, which must be there, and keeps doors from its folder.
pub fn open_left_spool(
    config: &Config,
    broker: &BrokerConfig,
    path: &Path,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<LeftSpool> {
    ensure_there(path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder_lock = FolderLock::take(folder, Roles { serves: true, works: false }, false)?;
    let queue = RabbitmqQueue::open(broker_options(config, broker));
    let spool = spool_at(path, broker, queue, clock, &Dependencies::new())?;
    Ok(LeftSpool { _spool: spool, _folder_lock: folder_lock })
}

/// How a broker is used. What is in hand are the batches in work and as much again, so that no worker
/// waits for the network.
pub fn broker_options(config: &Config, broker: &BrokerConfig) -> BrokerOptions {
    let in_hand = config.batch_max * config.concurrency * 2;
    BrokerOptions {
        prefix: broker.prefix.clone(),
        ca_pem: broker.ca_pem.clone(),
        taps: broker.taps,
        prefetch: u16::try_from(in_hand).unwrap_or(u16::MAX),
        // What is in work, and as much again.
        bytes_max: config.worker_memory_bytes_max.saturating_mul(2),
        // Batches are given back before their consumer is.
        idle_max: IDLE_MAX.max(config.hold_max * 2),
        ..BrokerOptions::new(broker.urls.clone())
    }
}

/// Opens the tables; an SQLite database is migrated.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<Store>> {
    if config.is_database_embedded() {
        make_data_dir(config)?;
    }
    let options = store_options(config);
    let store = Store::open(&options, Arc::clone(clock)).await.context("database.url")?;
    if config.is_database_embedded() {
        migration::up(&store.connection()).await.context("migrating the SQLite database")?;
    }
    Ok(Arc::new(store))
}

/// Opens tables that are there, for commands that look into them or change rows.
pub async fn open_existing_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Store>> {
    ensure_tables(config)?;
    let options = store_options(config);
    let store = Store::open_existing(&options, Arc::clone(clock)).await.context("database.url")?;
    if config.is_database_embedded() {
        let missing = migration::status(&store.connection()).await?.missing();
        anyhow::ensure!(
            missing == 0,
            "{missing} migrations are missing: start `waha-ingest up`, or run `waha-ingest migrate up`"
        );
    }
    Ok(Arc::new(store))
}

/// An error if no tables are configured, or if they are to be in a file and that is not there.
pub fn ensure_tables(config: &Config) -> anyhow::Result<()> {
    if config.is_door_alone() {
        return Err(NoTables { data_dir: config.data_dir.clone() }.into());
    }
    if let Some(file) = file_of(config.database_url.expose_secret()) {
        ensure_there(&file)?;
    }
    Ok(())
}

/// How the configured tables are opened.
pub fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        url: config.database_url.expose_secret().to_owned(),
        connections_max: config.connections_max,
        keeps_bodies: config.keeps_bodies,
        keeps_ephemeral_bodies: config.keeps_ephemeral_bodies,
    }
}

fn lock_folder(config: &Config, roles: Roles) -> anyhow::Result<FolderLock> {
    let is_embedded = matches!(config.queue.backend, Backend::Embedded);
    if roles.serves || is_embedded {
        make_data_dir(config)?;
    }
    Ok(FolderLock::take(&config.data_dir, roles, is_embedded)?)
}

fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let path = &config.data_dir;
    std::fs::create_dir_all(path).with_context(|| format!("data_dir = {}", path.display()))
}

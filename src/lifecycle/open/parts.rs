//! What a process is made of.

use std::sync::Arc;

use anyhow::Context;

use super::broker::open_management;
use super::make_data_dir;
use super::queue::{OpenedQueue, open_counted_queue};
use super::store::open_store;
use crate::accounting::CountSources;
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config, SourceConfig};
use crate::lifecycle::folder_lock::FolderLock;
use crate::lifecycle::media::open_apis;
use crate::lifecycle::private::warn_of_readers;
use crate::lifecycle::{Roles, open_media};
use crate::media::storage::MediaStorage;
use crate::metrics::{Metrics, Scope};
use crate::monitor::Monitor;
use crate::monitor::broker::BrokerInspector;
use crate::monitor::disk::DiskMonitor;
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::{Lane, Queue};
use crate::server::Door;
use crate::store::Store;
use crate::telemetry::dependency::Dependencies;
use crate::waha_api::WahaApi;
use crate::webhook::source::Source;
use crate::worker::{ByteBudget, Worker};

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
    /// Where files of messages are, if this process works and they are kept.
    pub media: Option<MediaStorage>,
    /// The WAHAs that this process asks, if it works.
    pub apis: Vec<WahaApi>,
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
        let media = if roles.works { open_media(&config)? } else { None };
        let apis = if roles.works { open_apis(&config)? } else { Vec::new() };
        let scope = Scope {
            serves: roles.serves,
            works: roles.works,
            has_broker: matches!(config.queue.backend, Backend::Broker(_)),
        };
        let sources: Vec<String> = config.sources.iter().map(|it| it.name.clone()).collect();
        let metrics = Arc::new(Metrics::new(scope, &sources, dependencies));
        Ok(Self {
            config,
            clock,
            queue,
            broker,
            store,
            media,
            apis,
            sides,
            scope,
            metrics,
            folder_lock,
        })
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

/// What the worker may have in hand: a share for each batch of each lane.
fn byte_budget(config: &Config) -> ByteBudget {
    let batches = Lane::ALL.len() * config.concurrency;
    ByteBudget::new(config.batch_bytes_max, config.worker_memory_bytes_max, batches)
}

fn lock_folder(config: &Config, roles: Roles) -> anyhow::Result<FolderLock> {
    let is_embedded = matches!(config.queue.backend, Backend::Embedded);
    if roles.serves || is_embedded {
        make_data_dir(config)?;
    }
    Ok(FolderLock::take(&config.data_dir, roles, is_embedded)?)
}

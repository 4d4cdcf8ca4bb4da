//! Opens what the configuration names: data folder, queue, database.

use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::queue::Queue;
use crate::queue::sqlite::{Options, SqliteQueue};
use crate::server::Door;
use crate::store::{Store, StoreOptions};
use crate::webhook::source::Source;
use crate::worker::Worker;

/// What a process is made of.
pub struct Parts {
    /// How it is configured.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where webhooks wait.
    pub queue: Arc<dyn Queue>,
    /// The tables, if this process uses them.
    pub store: Option<Arc<Store>>,
}

impl Parts {
    /// Opens queue and, if asked, tables.
    pub async fn open(config: Arc<Config>, with_store: bool) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let queue: Arc<dyn Queue> = Arc::new(open_queue(&config, &clock)?);
        let store = if with_store { Some(open_store(&config, &clock).await?) } else { None };
        Ok(Self { config, clock, queue, store })
    }

    /// The door of the configured sources.
    pub fn door(&self) -> Arc<Door> {
        let sources: Vec<Source> = self.config.sources.iter().map(SourceConfig::source).collect();
        for source in sources.iter().filter(|source| !source.is_verified()) {
            tracing::warn!(source = source.name(), "verify = \"none\": anybody can send webhooks");
        }
        let (queue, clock) = (Arc::clone(&self.queue), Arc::clone(&self.clock));
        Arc::new(Door::new(sources, queue, clock, self.config.limits))
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
        })
    }
}

/// Opens the embedded queue; a damaged file is set aside.
pub fn open_queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SqliteQueue> {
    make_data_dir(config)?;
    let options = Options::new(config.queue_bytes_max, Arc::clone(clock));
    SqliteQueue::open_or_set_aside(config.queue_path(), options)
        .with_context(|| format!("the embedded queue {}", config.queue_path().display()))
}

/// Opens the tables; an SQLite database is migrated.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<Store>> {
    if config.is_database_embedded() {
        make_data_dir(config)?;
    }
    let options = StoreOptions {
        url: config.database_url.expose_secret().to_owned(),
        connections_max: config.connections_max,
        keeps_bodies: config.keeps_bodies,
        keeps_ephemeral_bodies: config.keeps_ephemeral_bodies,
    };
    let store = Store::open(&options, Arc::clone(clock)).await.context("database.url")?;
    if config.is_database_embedded() {
        migration::up(store.connection()).await.context("migrating the SQLite database")?;
    }
    Ok(Arc::new(store))
}

fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let path = &config.data_dir;
    std::fs::create_dir_all(path).with_context(|| format!("data_dir = {}", path.display()))
}

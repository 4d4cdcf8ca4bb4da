//! The life of a process: open what is configured, run the asked parts, stop in two stages.
//!
//! First signal: take no new work, finish what is in hand within the grace period. Second signal or
//! the end of that period: leave deliveries unacked, so that they are delivered again.

mod beat;
mod count;
mod deliver;
mod folder_lock;
mod media;
mod open;
mod private;
mod reconcile;
mod registrar;
mod reload;
mod schema;
mod signal;
mod there;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_server::Server;
use anyhow::Context;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use beat::BEAT_EVERY;
pub use count::open_sides;
pub use media::{open_archive, open_media};
pub use open::{
    LeftSpool, Parts, Unused, broker_options, claim_unused, ensure_tables, inspect_queue,
    installed_files, make_data_dir, open_existing_store, open_left_spool, open_management,
    open_queue, open_store, store_options,
};
pub use private::keep_files_private;
pub use reconcile::open_reconciler;
pub use registrar::open_registrars;
pub use signal::stop_on_signals;
pub use there::{NoTables, NothingThere, ensure_there, is_there};

use beat::Heartbeat;
use schema::wait_for_schema;

use crate::admin::{self, Admin, FeedWatch, LastRetries, Users};
use crate::archive::Archive;
use crate::chat_moves;
use crate::consumers::{Deliveries, SharedSecrets};
use crate::directory;
use crate::media::removal::Removal;
use crate::monitor::broker::{BrokerInspector, LastInspection};
use crate::packing;
use crate::registrar::{self as registering, Registering};
use crate::retention::{self, Cleaner, Retention};
use crate::search_index;
use crate::server::{Door, listen, serve_public};
use crate::store::Store;
use crate::waha_api::WahaApi;
use crate::watchdog::Watchdog;
use crate::worker::Worker;

/// Which parts a process runs.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// The door.
    pub serves: bool,
    /// The worker.
    pub works: bool,
}

/// A running process.
pub struct Running {
    /// Where the public listener listens.
    pub public: Option<SocketAddr>,
    /// Where the admin listener listens.
    pub admin: Option<SocketAddr>,
    admin_state: Arc<Admin>,
    public_server: Option<Server>,
    admin_server: Option<Server>,
    workers: Option<JoinHandle<()>>,
    stop_work: CancellationToken,
    /// The observer lives as long as this.
    _stop_looking: DropGuard,
    grace: Duration,
}

/// What the admin listener tells of.
fn admin_state(
    parts: &Parts,
    roles: Roles,
    stop_work: &CancellationToken,
    broker_inspection: Option<LastInspection>,
) -> Arc<Admin> {
    Arc::new(Admin {
        scope: parts.scope,
        metrics: Arc::clone(&parts.metrics),
        access: parts.config.admin.access(),
        observer: parts.observer(),
        store: parts.store.clone(),
        queue: Arc::clone(&parts.queue),
        stop: stop_work.clone(),
        sides: parts.sides.clone(),
        rules: parts.config.rules.clone(),
        searches: parts.config.searches,
        media: parts.media.clone(),
        feed: FeedWatch::default(),
        has_console: parts.config.admin.console,
        users: Users::default(),
        settings: parts.config.shown.clone(),
        data_dir: parts.config.data_dir.clone(),
        queue_places: parts.config.queue_places(),
        listen: parts.config.admin_listen,
        broker_inspection,
        subscriptions: parts.config.feed.subscriptions(),
        retries: LastRetries::default(),
        counted: Mutex::default(),
        is_draining: AtomicBool::new(false),
        waits_for_schema: AtomicBool::new(roles.works),
    })
}

/// Starts the asked parts; when this returns, the listeners listen.
pub fn start(parts: &Parts, roles: Roles) -> anyhow::Result<Running> {
    let (stop_work, stop_looking) = (CancellationToken::new(), CancellationToken::new());
    let inspector = parts.broker_inspector()?;
    let inspection = inspector.as_ref().map(BrokerInspector::last);
    let admin_state = admin_state(parts, roles, &stop_work, inspection);
    tokio::spawn(Arc::clone(&admin_state.observer).run(stop_looking.clone()));
    if let Some(store) = parts.store.clone() {
        let stop = stop_looking.clone();
        tokio::spawn(async move { store.watch(stop).await });
    }
    if let Some(inspector) = inspector {
        tokio::spawn(inspector.run(stop_looking.clone()));
    }
    if let Some(disk) = parts.disk_monitor() {
        tokio::spawn(disk.run(stop_looking.clone()));
    }
    let mut running = Running {
        public: None,
        admin: None,
        admin_state: Arc::clone(&admin_state),
        public_server: None,
        admin_server: None,
        workers: None,
        stop_work: stop_work.clone(),
        _stop_looking: stop_looking.drop_guard(),
        grace: parts.config.stop_grace,
    };
    if let Some(address) = parts.config.admin_listen {
        let listener = listen(address).with_context(|| format!("admin.listen = {address}"))?;
        running.admin = listener.local_addr().ok();
        running.admin_server = Some(admin::serve(listener, Arc::clone(&admin_state))?);
    }
    let door = roles.serves.then(|| parts.door());
    let secrets = start_reloading(parts, door.clone(), Arc::clone(&admin_state), &stop_work)?;
    if let Some(door) = door {
        let address = parts.config.listen;
        let listener = listen(address).with_context(|| format!("server.listen = {address}"))?;
        running.public = listener.local_addr().ok();
        running.public_server = Some(serve_public(listener, door, parts.config.stop_grace)?);
    }
    if roles.works {
        let worker = Arc::new(parts.worker()?);
        let upkeep = Upkeep::of(parts, &worker.store)?;
        let deliveries = parts.deliveries(&worker.store, &secrets)?;
        let heartbeat = Heartbeat::of(parts, Arc::clone(&worker.store));
        let fetcher = parts.fetcher(&worker.store);
        let reconciler = parts.reconciler(&worker.store);
        running.workers = Some(tokio::spawn(async move {
            wait_for_schema(&worker.store, &stop_work).await;
            admin_state.waits_for_schema.store(false, Ordering::SeqCst);
            upkeep.start(&worker, &stop_work);
            let beating = heartbeat.start();
            let delivering = Deliveries::start(deliveries, &stop_work);
            let fetching = fetcher.map(|fetcher| tokio::spawn(fetcher.run(stop_work.clone())));
            let reconciling = reconciler.map(|it| tokio::spawn(it.run(stop_work.clone())));
            worker.run(stop_work).await;
            delivering.end().await;
            for asking in [fetching, reconciling].into_iter().flatten() {
                // A panic there has been reported.
                let _ = asking.await;
            }
            beating.end().await;
        }));
    }
    Ok(running)
}

/// Takes changed keys over from now on; returns the secrets of consumers, which change with them.
fn start_reloading(
    parts: &Parts,
    door: Option<Arc<Door>>,
    admin: Arc<Admin>,
    stop: &CancellationToken,
) -> anyhow::Result<SharedSecrets> {
    let consumers = SharedSecrets::default();
    let queue = parts.broker.clone();
    let reloaded = reload::Reloaded { door, admin, queue, consumers: Arc::clone(&consumers) };
    reload::start(&parts.config, reloaded, stop.clone())?;
    Ok(consumers)
}

/// What a process that works does beside.
struct Upkeep {
    retention: Retention,
    archive: Option<Archive>,
    searches: bool,
    /// None if no files are kept.
    removal: Option<Removal>,
    /// Of the sources that have an API.
    apis: Vec<WahaApi>,
    registering: Registering,
    /// None if no sessions are watched.
    watchdog: Option<Watchdog>,
}

impl Upkeep {
    fn of(parts: &Parts, store: &Arc<Store>) -> anyhow::Result<Self> {
        Ok(Self {
            retention: parts.config.retention.clone(),
            archive: open_archive(&parts.config)?,
            searches: parts.config.searches,
            removal: parts.removal(store),
            apis: parts.apis.clone(),
            registering: parts.registering(store),
            watchdog: parts.watchdog(store),
        })
    }

    fn start(self, worker: &Worker, stop: &CancellationToken) {
        let store = Arc::clone(&worker.store);
        let cleaner = Cleaner {
            store: Arc::clone(&store),
            clock: Arc::clone(&worker.clock),
            queue: Some(Arc::clone(&worker.queue)),
            archive: self.archive,
            rows_per_second: Some(self.retention.rows_per_second),
        };
        tokio::spawn(retention::run(cleaner, self.retention, stop.clone()));
        tokio::spawn(chat_moves::run(Arc::clone(&store), stop.clone()));
        if store.packs_bodies() {
            tokio::spawn(packing::run(Arc::clone(&store), stop.clone()));
        }
        if let Some(removal) = self.removal {
            tokio::spawn(removal.run(stop.clone()));
        }
        if !self.apis.is_empty() {
            let clock = Arc::clone(&worker.clock);
            tokio::spawn(directory::run(Arc::clone(&store), self.apis, clock, stop.clone()));
            // Also without any: what was seen before is forgotten then.
            tokio::spawn(registering::run(self.registering, stop.clone()));
        }
        if let Some(watchdog) = self.watchdog {
            tokio::spawn(watchdog.run(stop.clone()));
        } else {
            // What was found before nobody looks after any more.
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.forget_watches_but(&[]).await });
        }
        if self.searches {
            tokio::spawn(search_index::run(store, stop.clone()));
        }
    }
}

impl Running {
    /// Serves and works until `stop`, then stops within the grace period.
    pub async fn until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let servers = [self.public_server, self.admin_server];
        let handles = servers.each_ref().map(|server| server.as_ref().map(Server::handle));
        for server in servers.into_iter().flatten() {
            tokio::spawn(server);
        }
        stop.cancelled().await;
        tracing::info!("stopping: no new work, finishing what is in hand");
        self.admin_state.is_draining.store(true, Ordering::SeqCst);
        self.stop_work.cancel();
        let [public, admin] = handles;
        let finish = async {
            if let Some(public) = public {
                public.stop(true).await;
            }
            if let Some(workers) = self.workers {
                workers.await.context("a worker panicked")?;
            }
            anyhow::Ok(())
        };
        let finished = tokio::time::timeout(self.grace, finish).await;
        if let Some(admin) = admin {
            admin.stop(false).await;
        }
        if finished.is_err() {
            tracing::warn!("the grace period is over: the rest is delivered again");
        }
        finished.unwrap_or(Ok(()))
    }
}

//! The life of a process: open what is configured, run the asked parts, stop in two stages.
//!
//! First signal: take no new work, finish what is in hand within the grace period. Second signal or
//! the end of that period: leave deliveries unacked, so that they are delivered again.

mod beat;
mod count;
mod deliver;
mod folder_lock;
mod open;
mod private;
mod reload;
mod schema;
mod signal;
mod there;

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
pub use open::{
    LeftSpool, Parts, broker_options, ensure_tables, inspect_queue, open_existing_store,
    open_left_spool, open_management, open_queue, open_store, store_options,
};
pub use private::keep_files_private;
pub use signal::stop_on_signals;
pub use there::{NoTables, NothingThere};

use beat::Heartbeat;
use schema::wait_for_schema;

use crate::admin::{self, Admin, FeedWatch};
use crate::consumers::{Deliveries, SharedSecrets};
use crate::retention::{self, Retention};
use crate::search_index;
use crate::server::{Door, listen, serve_public};
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

/// Starts the asked parts; when this returns, the listeners listen.
pub fn start(parts: &Parts, roles: Roles) -> anyhow::Result<Running> {
    let (stop_work, stop_looking) = (CancellationToken::new(), CancellationToken::new());
    let admin_state = Arc::new(Admin {
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
        feed: FeedWatch::default(),
        counted: Mutex::default(),
        is_draining: AtomicBool::new(false),
        waits_for_schema: AtomicBool::new(roles.works),
    });
    tokio::spawn(Arc::clone(&admin_state.observer).run(stop_looking.clone()));
    if let Some(store) = parts.store.clone() {
        let stop = stop_looking.clone();
        tokio::spawn(async move { store.watch(stop).await });
    }
    if let Some(inspector) = parts.broker_inspector()? {
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
        let upkeep = Upkeep::of(parts);
        let deliveries = parts.deliveries(&worker.store, &secrets)?;
        let heartbeat = Heartbeat::of(parts, Arc::clone(&worker.store));
        running.workers = Some(tokio::spawn(async move {
            wait_for_schema(&worker.store, &stop_work).await;
            admin_state.waits_for_schema.store(false, Ordering::SeqCst);
            upkeep.start(&worker, &stop_work);
            let beating = heartbeat.start();
            let delivering = Deliveries::start(deliveries, &stop_work);
            worker.run(stop_work).await;
            delivering.end().await;
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
    searches: bool,
}

impl Upkeep {
    fn of(parts: &Parts) -> Self {
        let retention = Retention {
            bodies_age_max: parts.config.bodies_age_max,
            feed_age_max: parts.config.feed.age_max,
        };
        Self { retention, searches: parts.config.searches }
    }

    fn start(self, worker: &Worker, stop: &CancellationToken) {
        let (store, clock) = (Arc::clone(&worker.store), Arc::clone(&worker.clock));
        tokio::spawn(retention::run(Arc::clone(&store), clock, self.retention, stop.clone()));
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

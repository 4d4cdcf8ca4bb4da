//! The life of a process: open what is configured, run the asked parts, stop in two stages.
//!
//! First signal: take no new work, finish what is in hand within the grace period. Second signal or
//! the end of that period: leave deliveries unacked, so that they are delivered again.

mod open;
mod signal;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use open::{Parts, broker_options, count, open_queue, open_store};
pub use signal::stop_on_signals;

use crate::server::{Health, listen, serve_admin, serve_public};

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
    health: Arc<Health>,
    public_server: Option<Server>,
    admin_server: Option<Server>,
    workers: Option<JoinHandle<()>>,
    stop_work: CancellationToken,
    grace: Duration,
}

/// Starts the asked parts; when this returns, the listeners listen.
pub fn start(parts: &Parts, roles: Roles) -> anyhow::Result<Running> {
    let health = Arc::new(Health {
        queue: Arc::clone(&parts.queue),
        store: parts.store.clone(),
        is_draining: AtomicBool::new(false),
    });
    let stop_work = CancellationToken::new();
    let mut running = Running {
        public: None,
        admin: None,
        health: Arc::clone(&health),
        public_server: None,
        admin_server: None,
        workers: None,
        stop_work: stop_work.clone(),
        grace: parts.config.stop_grace,
    };
    if let Some(address) = parts.config.admin_listen {
        let listener = listen(address).with_context(|| format!("admin.listen = {address}"))?;
        running.admin = listener.local_addr().ok();
        running.admin_server = Some(serve_admin(listener, health)?);
    }
    if roles.serves {
        let address = parts.config.listen;
        let listener = listen(address).with_context(|| format!("server.listen = {address}"))?;
        running.public = listener.local_addr().ok();
        running.public_server =
            Some(serve_public(listener, parts.door(), parts.config.stop_grace)?);
    }
    if roles.works {
        let worker = Arc::new(parts.worker()?);
        running.workers = Some(tokio::spawn(worker.run(stop_work)));
    }
    Ok(running)
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
        self.health.is_draining.store(true, Ordering::SeqCst);
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

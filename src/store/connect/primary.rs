//! The one place that connects: a pool of connections to the server that takes writes, replaced when that
//! is another server, or when `database.url` changes.
//!
//! `Store` takes its pool from here. Invariant: a pool leads to one server; who begins a
//! transaction after an error that a failover can cause does so only once the servers were asked again;
//! and what is in work on a pool that is replaced ends on it.

mod probe;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::DbBackend;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ConnectError;
use super::hosts::{ServerUrl, servers_of};
use super::limit::MessageLimit;
use super::pool::{self, PoolSettings, ServerPool};
use super::seen::SeenServers;
use super::server::ServerIdentity;
use super::sqlite_file::SqliteFile;
use crate::store::sql::error::{FileLost, StoreError};
use crate::telemetry::cause;
use crate::telemetry::outage_log::{DueLine, OutageLog};

pub(in crate::store) use probe::{ServersFound, probe_servers};

/// How often it is looked whether there is something to do.
const TEND_EVERY: Duration = Duration::from_secs(2);
/// How often several servers are asked although all goes well: a primary that was cut off and replaced
/// goes on taking writes.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// The pool in use, and whom to ask for another one.
pub(in crate::store) struct PrimaryPool {
    current: RwLock<CurrentPool>,
    /// Of a URL that changed and could not be used yet.
    wanted: Mutex<Option<Arc<[ServerUrl]>>>,
    /// Held while probing, so that all who wait share one look.
    probing: tokio::sync::Mutex<LastProbe>,
    rivals_log: OutageLog,
    wanted_log: OutageLog,
    file_log: OutageLog,
}

#[derive(Clone)]
struct CurrentPool {
    servers: Arc<[ServerUrl]>,
    /// The server of the pool.
    server: usize,
    pool: Arc<ServerPool>,
    settings: PoolSettings,
}

/// How the last look ended.
#[derive(Default)]
struct LastProbe {
    ended_at: Option<Instant>,
    failure: Option<String>,
}

impl PrimaryPool {
    /// Prepares connections, to the server that takes writes if there are several and it can be found now.
    pub(in crate::store) async fn open(
        url: &str,
        connections_max: u32,
        makes_file: bool,
    ) -> Result<Self, ConnectError> {
        let servers: Arc<[ServerUrl]> = servers_of(url)?.into();
        let (limit, seen) = (MessageLimit::unknown(), SeenServers::nothing());
        let settings = PoolSettings { connections_max, limit, seen, makes_file };
        let rivals_log = OutageLog::new();
        let mut chosen = None;
        if servers.len() > 1 {
            let found = probe_servers(&servers, None, None).await;
            log_rivals(&rivals_log, &servers, &found);
            chosen = found.choice.server;
            settings.seen.saw(chosen.and_then(|server| found.identity(server)));
        }
        let server = chosen.unwrap_or_default();
        let pool = ServerPool::open(&servers[server], &settings).await?;
        if servers.len() > 1 && chosen.is_none() {
            pool.doubt();
        }
        let settings = PoolSettings { makes_file: false, ..settings };
        Ok(Self {
            current: RwLock::new(CurrentPool { servers, server, pool, settings }),
            wanted: Mutex::default(),
            probing: tokio::sync::Mutex::default(),
            rivals_log,
            wanted_log: OutageLog::new(),
            file_log: OutageLog::new(),
        })
    }

    /// The pool, whatever became of its last use.
    pub(in crate::store) fn pool(&self) -> Arc<ServerPool> {
        self.current().pool
    }

    /// Which servers its connections have led to.
    pub(in crate::store) fn seen(&self) -> SeenServers {
        self.current().settings.seen
    }

    /// The servers that the URL names.
    pub(in crate::store) fn servers(&self) -> Arc<[ServerUrl]> {
        self.current().servers
    }

    /// The pool to begin a transaction on: after an error, that of the server that takes writes now.
    pub(in crate::store) async fn trusted(&self) -> Result<Arc<ServerPool>, StoreError> {
        let current = self.current();
        if current.pool.check_file().is_err() || current.pool.is_file_writable_again() {
            // Rare, and deep: of a type that says so to no caller.
            self.keep_file().boxed().await?;
        }
        let has_choice = current.servers.len() > 1 || self.wanted().is_some();
        if current.pool.is_doubted() && has_choice {
            // Rare, and deep: boxed, every transaction is spared its size.
            Box::pin(self.probe()).await?;
        }
        Ok(self.pool())
    }

    /// Takes a changed URL over once it can be used; until then the present pool stays.
    pub(in crate::store) fn replace_url(&self, url: &str) -> Result<(), ConnectError> {
        let servers: Arc<[ServerUrl]> = servers_of(url)?.into();
        let current = self.current();
        let backend = servers[0].backend;
        let is_other_file = backend == DbBackend::Sqlite && servers != current.servers;
        if backend != current.servers[0].backend || is_other_file {
            return Err(ConnectError::OtherKind);
        }
        *self.wanted() = (servers != current.servers).then_some(servers);
        Ok(())
    }

    /// Takes changed URLs over and looks after several servers, until `stop`.
    pub(in crate::store) async fn watch(&self, stop: CancellationToken) {
        let mut probed_at = Instant::now();
        while stop.run_until_cancelled(tokio::time::sleep(TEND_EVERY)).await.is_some() {
            let current = self.current();
            // Whoever needs the file says that it is not there; the log says so here.
            let _ = self.keep_file().await;
            let is_due = current.pool.is_doubted() || probed_at.elapsed() >= PROBE_EVERY;
            if self.wanted().is_some() || (current.servers.len() > 1 && is_due) {
                // Whoever needs the database says that none takes writes.
                let _ = self.probe().await;
                probed_at = Instant::now();
            }
        }
    }

    /// Looks whether SQLite's file is where it was. One whose log was removed is opened again, with all that
    /// was in the log, and one that could not be written and can be now; of any other an error says what helps.
    async fn keep_file(&self) -> Result<(), StoreError> {
        let _turn = self.probing.lock().await;
        let CurrentPool { servers, server, pool, .. } = self.current();
        let Some(file) = &pool.file else { return Ok(()) };
        match pool.check_file() {
            Ok(()) if file.is_writable_again() => {}
            Ok(()) => {
                self.file_log.worked();
                return Ok(());
            }
            Err(lost) => self.save_log(file, lost).await?,
        }
        pool.close_file().await?;
        self.use_server(servers, server, None).await.map_err(|error| match error {
            ConnectError::Database(error) => StoreError::Database(error),
            other => StoreError::NoPrimary(cause::words(&other)),
        })?;
        tracing::warn!(path = %file.path().display(), "the file of the tables was opened again");
        Ok(())
    }

    /// Saves what is in a removed log; an error if the file can't be opened again after that.
    async fn save_log(&self, file: &SqliteFile, lost: FileLost) -> Result<(), StoreError> {
        if let Some(DueLine { error, .. }) = self.file_log.failed(&lost) {
            tracing::error!(
                error,
                "the tables can't be written: webhooks wait, no attempt is used"
            );
        }
        if file.save_log(&lost).await.map_err(pool::driver)? { Ok(()) } else { Err(lost.into()) }
    }

    /// Finds the server that takes writes, and uses it. Who comes while somebody looks shares that look.
    async fn probe(&self) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        let mut last = self.probing.lock().await;
        if last.ended_at.is_none_or(|ended_at| ended_at < asked_at) {
            last.failure = self.probe_now().await.err();
            last.ended_at = Some(Instant::now());
        }
        last.failure.clone().map_or(Ok(()), |failure| Err(StoreError::NoPrimary(failure)))
    }

    async fn probe_now(&self) -> Result<(), String> {
        if self.take_over().await {
            return Ok(());
        }
        let CurrentPool { servers, server: used, pool, settings } = self.current();
        if servers.len() == 1 {
            return Ok(());
        }
        let found = probe_servers(&servers, Some(used), settings.seen.newest().as_ref()).await;
        log_rivals(&self.rivals_log, &servers, &found);
        let Some(server) = found.choice.server else { return Err(found.refusals(&servers)) };
        let identity = found.identity(server);
        if server == used {
            settings.seen.saw(identity);
            pool.trust();
            return Ok(());
        }
        let name = servers[server].name.clone();
        self.use_server(servers, server, identity).await.map_err(|error| cause::words(&error))?;
        tracing::warn!(
            server = name,
            "another database server takes writes: it is used from now on"
        );
        Ok(())
    }

    /// Uses a URL that changed, if it leads to a server that takes writes.
    async fn take_over(&self) -> bool {
        let Some(servers) = self.wanted().clone() else { return false };
        let found = probe_servers(&servers, None, None).await;
        let taken = match found.choice.server {
            Some(server) => self
                .use_server(Arc::clone(&servers), server, found.identity(server))
                .await
                .map_err(|error| StoreError::NoPrimary(cause::words(&error))),
            None => Err(StoreError::NoPrimary(found.refusals(&servers))),
        };
        if let Err(error) = taken {
            if let Some(DueLine { error, .. }) = self.wanted_log.failed(&error) {
                tracing::warn!(error, "the changed URL of the database can't be used yet");
            }
            return false;
        }
        let mut wanted = self.wanted();
        // Unless it changed once more meanwhile.
        if wanted.as_ref() == Some(&servers) {
            *wanted = None;
        }
        self.wanted_log.worked();
        tracing::info!("connected by the changed URL of the database");
        true
    }

    /// New transactions begin there; those that run on the pool so far end there, unless it is another
    /// server: then they are given up, because ids are taken from the other one.
    async fn use_server(
        &self,
        servers: Arc<[ServerUrl]>,
        server: usize,
        identity: Option<ServerIdentity>,
    ) -> Result<(), ConnectError> {
        let former = self.current().settings;
        let settings = PoolSettings { seen: former.seen.for_next_pool(), ..former };
        let pool = ServerPool::open(&servers[server], &settings).await?;
        let seen = settings.seen.clone();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            CurrentPool { servers, server, pool, settings };
        // After it: ids that are read under the new epoch are read on the new pool.
        seen.take_place(identity);
        Ok(())
    }

    fn current(&self) -> CurrentPool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Arc<[ServerUrl]>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two primaries are somebody's mistake; whoever runs the databases must know at once.
fn log_rivals(log: &OutageLog, servers: &[ServerUrl], found: &ServersFound) {
    match found.rivals(servers) {
        None => log.worked(),
        Some(rivals) => {
            if let Some(DueLine { error, .. }) = log.failed(&rivals) {
                tracing::error!(
                    error,
                    "more than one database server takes writes: stop the former primary"
                );
            }
        }
    }
}

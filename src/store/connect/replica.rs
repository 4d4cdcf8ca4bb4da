//! A replica that is read from where what is told may be some seconds old: lists, exports, search.
//!
//! Called by `Store`. What must be fresh never comes here: everything that is written, the equation's counts, what a
//! replay touches, dead letters, the feed and its positions. Who may get what is older says so (`lag::may_lag`): without
//! that a statement goes to the server that takes writes, as it does if the replica is away.
//!
//! **How old it is** is measured, not asked: every two seconds, while somebody reads, the primary says how far it has
//! written, and the replica how far it has followed. The newest moment whose writing the replica has is how old it is at
//! most. So a replica that lost its primary, or a clock that is wrong, is not taken for a fresh one.
//! - PostgreSQL: by the position in the log. Both must be of one cluster.
//! - MySQL and MariaDB: by the position of our feed. What changes nothing that applications follow, as a webhook that is
//!   ignored, may be younger than what is told.
//!
//! Invariant: a statement that fails on the replica is asked of the primary; and a replica of which it is not known how
//! old it is is not read from.

mod lag;
mod read;
mod sample;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use utoipa::ToSchema;

use super::ConnectError;
use super::hosts::{ServerUrl, servers_of};
use crate::store::sql::error::{StoreError, is_outage};
use crate::telemetry::cause;
use crate::telemetry::outage_log::{DueLine, OutageLog};

pub use lag::may_lag;
pub(in crate::store) use read::Reading;

use sample::{Sample, Samples, ask, read_nothing};

/// How often it is looked, at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A server that takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// How often a replica is asked at the first look, and after which time.
const TRIES: usize = 10;
const TRY_EVERY: Duration = Duration::from_millis(100);

/// How often a list waits for a look at a replica that could not be used; `monitor` looks beside.
const LOOK_AT_BAD_EVERY: Duration = Duration::from_secs(15);
/// How often it is looked whether all tables can be read there.
const READ_EVERY: Duration = Duration::from_mins(1);

/// How it is read from.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// As `StoreOptions::url`, of one server.
    pub url: String,
    /// Older than this it is not read from while the primary answers.
    pub age_max: Duration,
}

/// A server that follows the one that takes writes.
pub(in crate::store) struct Replica {
    connection: RwLock<ReplicaConnection>,
    connections_max: u32,
    age_max: Duration,
    /// Held while looking, so that all who wait share one look.
    looking: tokio::sync::Mutex<()>,
    state: Mutex<ReplicaState>,
    log: OutageLog,
    fallen_back: AtomicU64,
}

#[derive(Clone)]
struct ReplicaConnection {
    server: ServerUrl,
    db: DatabaseConnection,
}

/// What was seen.
#[derive(Default)]
struct ReplicaState {
    looked_at: Option<Instant>,
    samples: Samples,
    /// Whether the primary answered.
    has_primary: bool,
    /// Why it is not read from.
    problem: Option<String>,
    /// When it was looked whether all tables can be read, and why they can't.
    read_at: Option<Instant>,
    unreadable: Option<String>,
}

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplicaView {
    /// Host and port.
    pub place: String,
    /// Whether lists are read from it; else from the primary.
    pub is_used: bool,
    /// How old it is at most, ms; none while nobody knows.
    pub age_ms: Option<u64>,
    /// Why it is not read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Statements that the primary answered in its place, since the start of the process.
    pub fallen_back: u64,
}

/// Why it is not read from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotUsed(String);

impl Replica {
    /// Prepares connections, made when they are needed.
    pub(in crate::store) async fn open(
        options: &ReplicaOptions,
        connections_max: u32,
        primary: &DatabaseConnection,
    ) -> Result<Self, ConnectError> {
        let connection = ReplicaConnection::open(&options.url, connections_max).await?;
        if connection.server.backend != primary.get_database_backend() {
            return Err(ConnectError::OtherReplica);
        }
        Ok(Self {
            connection: RwLock::new(connection),
            connections_max,
            age_max: options.age_max,
            looking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            log: OutageLog::new(),
            fallen_back: AtomicU64::new(0),
        })
    }

    /// Uses another URL, as after a change of the password.
    pub(in crate::store) async fn replace_url(&self, url: &str) -> Result<(), ConnectError> {
        let connection = ReplicaConnection::open(url, self.connections_max).await?;
        if connection.server.backend != self.connection().server.backend {
            return Err(ConnectError::OtherKind);
        }
        // What a look at the former one finds is not taken for this one's.
        let _turn = self.looking.lock().await;
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = connection;
        *self.state() = ReplicaState::default();
        Ok(())
    }

    /// Looks, unless somebody did a moment ago.
    pub(in crate::store) async fn look(&self, primary: &DatabaseConnection) {
        let is_fresh = || self.state().looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        if is_fresh() {
            return;
        }
        let _turn = self.looking.lock().await;
        if !is_fresh() {
            self.look_now(primary).await;
        }
    }

    async fn look_now(&self, primary: &DatabaseConnection) {
        // Before both are asked: what the primary has written since is not what it is compared with.
        let at = Instant::now();
        let db = self.connection().db;
        let (written, followed) = join(answer(ask(primary)), answer(ask(&db))).await;
        let has_primary = written.is_ok();
        if let Ok(written) = written {
            self.state().samples.wrote(at, written);
        }
        let mut is_known = self.take(followed);
        // It may lack what is on its way; at a later look somebody waits for nothing.
        let tries = if self.state().looked_at.is_none() { TRIES } else { 0 };
        for _ in 0..tries {
            if is_known || !has_primary {
                break;
            }
            sleep(TRY_EVERY).await;
            is_known = self.take(answer(ask(&db)).await);
        }
        self.read_nothing(&db).await;
        let mut state = self.state();
        state.looked_at = Some(Instant::now());
        state.has_primary = has_primary;
        let problem = self.problem(&state);
        drop(state);
        self.tell(problem);
    }

    /// Takes note of how far it is. Whether more need not be asked now.
    fn take(&self, followed: Result<Sample, StoreError>) -> bool {
        let mut state = self.state();
        state.problem = match followed {
            Ok(followed) => state.samples.followed(&followed).err().map(str::to_owned),
            Err(error) => Some(cause::words(&error)),
        };
        state.problem.is_some() || state.samples.age().is_some()
    }

    /// Looks whether its user may read all tables and all are there, if that was long ago or was not so: else each
    /// statement would fail there, and only the counter would say so.
    async fn read_nothing(&self, db: &DatabaseConnection) {
        let is_due = {
            let state = self.state();
            let is_old = state.read_at.is_none_or(|at| at.elapsed() > READ_EVERY);
            state.problem.is_none() && (is_old || state.unreadable.is_some())
        };
        if is_due {
            let read = answer(read_nothing(db)).await;
            let mut state = self.state();
            state.read_at = Some(Instant::now());
            let words =
                |error| format!("not all of our tables can be read: {}", cause::words(&error));
            state.unreadable = read.err().map(words);
        }
    }

    /// Why it can't be read from now.
    fn problem(&self, state: &ReplicaState) -> Option<String> {
        if let Some(problem) = state.problem.as_ref().or(state.unreadable.as_ref()) {
            return Some(problem.clone());
        }
        let Some(age) = state.samples.age() else {
            return Some("it is not known how old it is".to_owned());
        };
        // An old answer is better than none.
        let is_old = age > self.age_max && state.has_primary;
        is_old.then(|| format!("it is more than {} s behind", self.age_max.as_secs()))
    }

    fn tell(&self, problem: Option<String>) {
        let Some(problem) = problem else { return self.log.worked() };
        let server = self.connection().server.name;
        if let Some(DueLine { error, .. }) = self.log.failed(&NotUsed(problem)) {
            tracing::warn!(server, error, "lists are read from the primary, not from the replica");
        }
    }

    /// A connection, and how old what it tells is at most; none if the primary is to be asked.
    async fn usable(&self, primary: &DatabaseConnection) -> Option<(DatabaseConnection, Duration)> {
        if !self.is_known_bad() {
            self.look(primary).await;
        }
        let state = self.state();
        if self.problem(&state).is_some() {
            return None;
        }
        let age = state.samples.age()?;
        Some((self.connection().db, age))
    }

    /// It could not be used a moment ago: whoever reads does not wait for it to hang once more.
    fn is_known_bad(&self) -> bool {
        let state = self.state();
        let is_recent = state.looked_at.is_some_and(|at| at.elapsed() < LOOK_AT_BAD_EVERY);
        is_recent && self.problem(&state).is_some()
    }

    /// A statement failed there: if the server is to blame, nobody tries until it is looked at again.
    fn failed(&self, error: &DbErr) {
        self.fell_back();
        if is_outage(error) {
            let words = cause::words(error);
            let mut state = self.state();
            state.looked_at = Some(Instant::now());
            state.problem = Some(words.clone());
            drop(state);
            self.tell(Some(words));
        }
    }

    fn fell_back(&self) {
        self.fallen_back.fetch_add(1, Ordering::Relaxed);
    }

    /// As it was seen last.
    pub(in crate::store) fn view(&self) -> ReplicaView {
        let state = self.state();
        let problem = self.problem(&state);
        let age = state.samples.age();
        ReplicaView {
            place: self.connection().server.name,
            is_used: problem.is_none(),
            age_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            problem,
            fallen_back: self.fallen_back.load(Ordering::Relaxed),
        }
    }

    fn connection(&self) -> ReplicaConnection {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, ReplicaState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplicaConnection {
    async fn open(url: &str, connections_max: u32) -> Result<Self, ConnectError> {
        let servers = servers_of(url)?;
        let [server] = &servers[..] else { return Err(ConnectError::ReplicaHosts) };
        let mut connect = ConnectOptions::new(server.url.clone());
        connect
            .max_connections(connections_max)
            .acquire_timeout(ANSWER_MAX)
            .connect_timeout(ANSWER_MAX)
            .sqlx_logging(false)
            .connect_lazy(true);
        Ok(Self { db: Database::connect(connect).await?, server: server.clone() })
    }
}

/// An answer in time.
async fn answer<T>(asked: impl Future<Output = Result<T, DbErr>>) -> Result<T, StoreError> {
    match timeout(ANSWER_MAX, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Timeout(ANSWER_MAX.as_secs())),
    }
}

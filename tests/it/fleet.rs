//! All processes of one installation, each with a folder of its own: an `up`, or doors and workers with a
//! broker and a database. Any of them can be killed, frozen and replaced.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{Database as Connect, DatabaseConnection};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex as AsyncMutex;

use crate::consumers::SECRET;
use crate::consumers::receiver::Receiver;
use crate::process::{Process, Setting};
use crate::rows::{Rows, count, rows};
use crate::wait::wait_for;

/// Two doors and two workers.
pub const TWO_EACH: &[&str] = &["serve", "serve", "work", "work"];

/// What the processes of an installation share.
#[derive(Clone)]
pub struct FleetPlan {
    /// `up`, `serve` or `work`; a process each.
    pub roles: &'static [&'static str],
    /// The database as its administrator reaches it; migrated before anything starts.
    pub admin_url: String,
    /// The same as the processes are told it.
    pub database_url: String,
    /// A broker; without it the embedded queue.
    pub queue_url: Option<String>,
    /// What is in `waha-ingest.toml`.
    pub configuration: String,
    /// More of the environment; wins.
    pub environment: Vec<(&'static str, String)>,
    /// Whether a limit on the length of their files is no end of them.
    pub endures: bool,
}

impl FleetPlan {
    /// These processes on this database, which they reach as its administrator.
    pub fn new(roles: &'static [&'static str], database_url: &str) -> Self {
        Self {
            roles,
            admin_url: database_url.to_owned(),
            database_url: database_url.to_owned(),
            queue_url: None,
            configuration: String::new(),
            environment: Vec::new(),
            endures: false,
        }
    }
}

/// A process that can be started anew in its folder.
pub struct Member {
    pub role: &'static str,
    process: AsyncMutex<Process>,
    folder: TempDir,
    port: u16,
    admin_port: u16,
    plan: Arc<FleetPlan>,
}

impl Member {
    async fn start(role: &'static str, folder: TempDir, plan: &Arc<FleetPlan>) -> Self {
        std::fs::write(folder.path().join("waha-ingest.toml"), &plan.configuration).unwrap();
        let mut setting = Setting::new(folder.path(), &plan.database_url);
        setting.queue_url.clone_from(&plan.queue_url);
        setting.environment.clone_from(&plan.environment);
        let (port, admin_port) = (setting.port, setting.admin_port);
        let process = AsyncMutex::new(spawn(&setting, role, plan));
        setting.answers("livez").await;
        Self { role, process, folder, port, admin_port, plan: Arc::clone(plan) }
    }

    pub fn setting(&self) -> Setting<'_> {
        Setting {
            folder: self.folder.path(),
            database_url: &self.plan.database_url,
            port: self.port,
            admin_port: self.admin_port,
            queue_url: self.plan.queue_url.clone(),
            environment: self.plan.environment.clone(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub async fn id(&self) -> u32 {
        self.process.lock().await.id()
    }

    /// kill -9.
    pub async fn kill(&self) {
        self.process.lock().await.kill();
    }

    /// Starts it after a kill.
    pub async fn resume(&self) {
        let setting = self.setting();
        *self.process.lock().await = spawn(&setting, self.role, &self.plan);
        setting.answers("livez").await;
    }

    /// Kills it, and starts it after a while.
    pub async fn kill_for(&self, away: Duration) {
        self.kill().await;
        tokio::time::sleep(away).await;
        self.resume().await;
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub async fn freeze_for(&self, away: Duration) {
        self.process.lock().await.signal("-STOP");
        tokio::time::sleep(away).await;
        self.process.lock().await.signal("-CONT");
    }

    /// Stops it as an orchestrator does, waits until it has drained, and starts the next one.
    pub async fn replace(&self) {
        let code = tokio::task::block_in_place(|| self.process.blocking_lock().terminate());
        assert_eq!(code, Some(0), "it drained");
        let log = self.log();
        assert!(!log.contains("the grace period is over"), "{log}");
        self.resume().await;
        self.setting().answers("readyz").await;
    }
}

/// The environment that makes it a consumer of the feed.
fn consumer(receiver: &Receiver) -> [(&'static str, String); 3] {
    [
        ("WAHA_INGEST__CONSUMERS__CRM__URL", receiver.url.clone()),
        ("WAHA_INGEST__CONSUMERS__CRM__SECRET", SECRET.to_owned()),
        ("WAHA_INGEST__CONSUMERS__CRM__BATCH_MAX", "100".to_owned()),
    ]
}

fn spawn(setting: &Setting<'_>, role: &'static str, plan: &FleetPlan) -> Process {
    let arguments: &[&str] = if role == "up" { &["up", "--migrate"] } else { &[role] };
    if plan.endures {
        setting.spawn_command(setting.enduring(arguments))
    } else {
        setting.spawn(arguments)
    }
}

/// The processes, and a look into their database.
pub struct Fleet {
    pub members: Vec<Member>,
    /// An application that gets what changes by webhooks.
    pub receiver: Receiver,
    db: Mutex<DatabaseConnection>,
}

impl Fleet {
    pub async fn start(plan: FleetPlan) -> Self {
        let folders = plan.roles.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        Self::start_in(plan, folders).await
    }

    /// The same in these folders, one for each process.
    pub async fn start_in(plan: FleetPlan, folders: Vec<TempDir>) -> Self {
        let is_embedded = plan.admin_url.starts_with("sqlite:");
        // An embedded one is migrated by its process.
        if !is_embedded {
            migration::up(&Connect::connect(&plan.admin_url).await.unwrap()).await.unwrap();
        }
        let receiver = Receiver::start();
        let mut plan = plan;
        plan.environment.extend(consumer(&receiver));
        let plan = Arc::new(plan);
        let mut members = Vec::new();
        for (role, folder) in plan.roles.iter().zip(folders) {
            members.push(Member::start(role, folder, &plan).await);
        }
        if is_embedded {
            members[0].setting().answers("readyz").await;
        }
        let db = Mutex::new(Connect::connect(&plan.admin_url).await.unwrap());
        Self { members, receiver, db }
    }

    pub fn db(&self) -> DatabaseConnection {
        self.db.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the database is there.
    pub async fn looks_into(&self, url: &str) {
        let db = Connect::connect(url).await.unwrap();
        *self.db.lock().unwrap_or_else(PoisonError::into_inner) = db;
    }

    /// Those that take webhooks.
    pub fn doors(&self) -> Vec<&Member> {
        self.members.iter().filter(|member| member.role != "work").collect()
    }

    /// Those that apply them.
    pub fn workers(&self) -> Vec<&Member> {
        self.members.iter().filter(|member| member.role != "serve").collect()
    }

    /// Where webhooks are taken.
    pub fn urls(&self) -> Vec<String> {
        self.doors().iter().map(|door| door.setting().url()).collect()
    }

    /// The status with the books of all doors; none while it can't be had.
    pub async fn status(&self) -> Option<Value> {
        let mut command = self.doors()[0].setting().command(&["status", "--json"]);
        let has_spools = self.doors()[0].plan.queue_url.is_some() || self.members.len() > 1;
        for door in self.doors().iter().filter(|_| has_spools) {
            command.arg("--spool").arg(door.folder().join("data/spool.db"));
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// How many different webhooks have come to their end.
    pub async fn ledger_rows(&self) -> usize {
        usize::try_from(count(&self.db(), "webhook_events").await).unwrap()
    }

    pub async fn ledger_reaches(&self, rows: usize, limit: Duration) {
        wait_for("webhooks in the ledger", limit, || async {
            (self.ledger_rows().await >= rows).then_some(())
        })
        .await;
    }

    pub async fn rows(&self) -> Rows {
        rows(&self.db()).await
    }
}

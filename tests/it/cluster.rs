//! Two `serve` and two `work` with RabbitMQ and PostgreSQL behind proxies; any of them can be struck.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::database::Database;
use crate::process::{Process, Setting};
use crate::proxy::Proxy;
use crate::rows::{Rows, count, rows};
use crate::server::Server;
use crate::wait::wait_for;

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    KillServe,
    KillWork,
    FreezeServe,
    FreezeWork,
    KillBroker,
    FreezeBroker,
    KillDatabase,
    FreezeDatabase,
    CutBroker,
    CutDatabase,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::KillServe,
        Self::KillWork,
        Self::FreezeServe,
        Self::FreezeWork,
        Self::KillBroker,
        Self::FreezeBroker,
        Self::KillDatabase,
        Self::FreezeDatabase,
        Self::CutBroker,
        Self::CutDatabase,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::KillServe => "kill serve",
            Self::KillWork => "kill work",
            Self::FreezeServe => "freeze serve",
            Self::FreezeWork => "freeze work",
            Self::KillBroker => "kill broker",
            Self::FreezeBroker => "freeze broker",
            Self::KillDatabase => "kill database",
            Self::FreezeDatabase => "freeze database",
            Self::CutBroker => "cut broker connections",
            Self::CutDatabase => "cut database connections",
        }
    }
}

/// A process with a folder of its own.
struct Member {
    role: &'static str,
    folder: TempDir,
    port: u16,
    admin_port: u16,
    process: Mutex<Process>,
}

pub struct Cluster {
    members: Vec<Member>,
    broker: Server,
    postgres: Server,
    broker_proxy: Proxy,
    postgres_proxy: Proxy,
    broker_url: String,
    database_url: String,
    db: DatabaseConnection,
}

impl Cluster {
    pub async fn start() -> Self {
        let (broker, postgres) = (Server::start("rabbitmq"), Server::start("postgres"));
        let broker_proxy = Proxy::start(broker.address()).await;
        let postgres_proxy = Proxy::start(postgres.address()).await;
        let database = Database::on_server(&postgres.url).await;
        let db = database.connect().await;
        migration::up(&db).await.unwrap();
        let through = |url: &str, server: &Server, proxy: &Proxy| {
            url.replace(&server.address(), &proxy.address.to_string())
        };
        let broker_url = through(&broker.url, &broker, &broker_proxy);
        let database_url = through(&database.url, &postgres, &postgres_proxy);
        let mut members = Vec::new();
        for role in ["serve", "serve", "work", "work"] {
            members.push(Member::start(role, &broker_url, &database_url).await);
        }
        Self {
            members,
            broker,
            postgres,
            broker_proxy,
            postgres_proxy,
            broker_url,
            database_url,
            db,
        }
    }

    fn role(&self, role: &str) -> Vec<&Member> {
        self.members.iter().filter(|member| member.role == role).collect()
    }

    /// Where webhooks are taken.
    pub fn urls(&self) -> Vec<String> {
        let url = |member: &&Member| format!("http://127.0.0.1:{}/webhooks/default", member.port);
        self.role("serve").iter().map(url).collect()
    }

    /// Lets one thing happen, and mends it after a while.
    pub async fn strike(&self, fault: Fault, dice: &mut StdRng) {
        let while_ms = dice.random_range(300..4_000);
        let which = usize::try_from(dice.next_u32() % 2).unwrap();
        match fault {
            Fault::KillServe => self.kill(self.role("serve")[which], while_ms).await,
            Fault::KillWork => self.kill(self.role("work")[which], while_ms).await,
            Fault::FreezeServe => freeze(self.role("serve")[which], while_ms).await,
            Fault::FreezeWork => freeze(self.role("work")[which], while_ms).await,
            Fault::KillBroker => strike(&self.broker, "kill", "resume", while_ms).await,
            Fault::FreezeBroker => strike(&self.broker, "freeze", "thaw", while_ms).await,
            Fault::KillDatabase => strike(&self.postgres, "kill", "resume", while_ms).await,
            Fault::FreezeDatabase => strike(&self.postgres, "freeze", "thaw", while_ms).await,
            Fault::CutBroker => self.broker_proxy.cut(),
            Fault::CutDatabase => self.postgres_proxy.cut(),
        }
    }

    async fn kill(&self, member: &Member, while_ms: u64) {
        member.process.lock().await.kill();
        tokio::time::sleep(Duration::from_millis(while_ms)).await;
        let setting = member.setting(&self.broker_url, &self.database_url);
        *member.process.lock().await = setting.spawn(&[member.role]);
        setting.answers("livez").await;
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Stops a process as an orchestrator does, waits until it has drained, and starts the next one.
    pub async fn replace(&self, member: usize) {
        let member = &self.members[member];
        let setting = member.setting(&self.broker_url, &self.database_url);
        let code = tokio::task::block_in_place(|| member.process.blocking_lock().terminate());
        assert_eq!(code, Some(0), "it drained");
        let log = std::fs::read_to_string(member.folder.path().join("log")).unwrap();
        assert!(!log.contains("the grace period is over"), "{log}");
        *member.process.lock().await = setting.spawn(&[member.role]);
        setting.answers("readyz").await;
    }

    pub async fn ledger_reaches(&self, rows: usize, limit: Duration) {
        wait_for("webhooks in the ledger", limit, || async {
            (self.ledger_rows().await >= rows).then_some(())
        })
        .await;
    }

    /// Requests that repeated a webhook.
    pub async fn duplicates(&self) -> u64 {
        u64::try_from(count(&self.db, "webhook_duplicates").await).unwrap()
    }

    /// How many different webhooks have come to their end.
    pub async fn ledger_rows(&self) -> usize {
        usize::try_from(count(&self.db, "webhook_events").await).unwrap()
    }

    /// Waits until no queue and no spool holds anything.
    pub async fn quiet(&self, limit: Duration) {
        for member in self.role("serve") {
            let setting = member.setting(&self.broker_url, &self.database_url);
            wait_for("empty queues", limit, || async {
                (setting.status()["waiting"] == 0).then_some(())
            })
            .await;
        }
    }

    pub async fn rows(&self) -> Rows {
        rows(&self.db).await
    }

    /// Removes all rows; the workers are started anew, because they remember ids.
    pub async fn clear(&self) {
        for table in ["dead_letters", "webhook_events", "waha_sessions"] {
            self.db.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
        }
        for member in self.role("work") {
            self.kill(member, 0).await;
        }
    }
}

impl Member {
    async fn start(role: &'static str, broker_url: &str, database_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut setting = Setting::new(folder.path(), database_url);
        setting.queue_url = Some(broker_url.to_owned());
        let process = Mutex::new(setting.spawn(&[role]));
        setting.answers("livez").await;
        let (port, admin_port) = (setting.port, setting.admin_port);
        Self { role, folder, port, admin_port, process }
    }

    fn setting<'a>(&'a self, broker_url: &str, database_url: &'a str) -> Setting<'a> {
        Setting {
            folder: self.folder.path(),
            database_url,
            port: self.port,
            admin_port: self.admin_port,
            queue_url: Some(broker_url.to_owned()),
            environment: Vec::new(),
        }
    }
}

async fn freeze(member: &Member, while_ms: u64) {
    member.process.lock().await.signal("-STOP");
    tokio::time::sleep(Duration::from_millis(while_ms)).await;
    member.process.lock().await.signal("-CONT");
}

async fn strike(server: &Server, strike: &str, mend: &str, while_ms: u64) {
    server.order(strike);
    tokio::time::sleep(Duration::from_millis(while_ms)).await;
    server.order(mend);
}

//! Two `serve` and two `work` on three nodes of a broker, one of which is killed, frozen, cut off or
//! restarted under load. A majority survives: nothing is lost, nothing doubled.
//!
//! With `--nocapture` it prints what was told meanwhile: readiness, metrics, `check`, the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use crate::app::{KEY, undisturbed};
use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_cluster::{BrokerCluster, NODES, Reconciling, configure};
use crate::rows::{assert_equal, count, rows, without_ledger};
use crate::scrape::Scrape;
use crate::wait::wait_for;

/// Webhooks of a case, and how many come in a second: they last longer than what is struck.
const COUNT: usize = 1_500;
const RATE: f64 = 50.0;
/// How long a node is away: longer than the others take to notice.
const AWAY: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(240);

/// What happens to the node on which all leaders are and to which all clients are connected.
#[derive(Clone, Copy, Debug)]
enum Case {
    Kill,
    Freeze,
    Partition,
    RollingRestart,
}

struct Member {
    role: &'static str,
    folder: TempDir,
    port: u16,
    admin_port: u16,
    queue_url: String,
    database_url: String,
    _process: Process,
}

impl Member {
    async fn start(
        role: &'static str,
        cluster: &BrokerCluster,
        database_url: &str,
        configuration: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("waha-ingest.toml"), configuration).unwrap();
        let queue_url = cluster.urls().join(",");
        let mut setting = Setting::new(folder.path(), database_url);
        setting.queue_url = Some(queue_url.clone());
        let (port, admin_port) = (setting.port, setting.admin_port);
        let process = setting.spawn(&[role]);
        let database_url = database_url.to_owned();
        let member =
            Self { role, folder, port, admin_port, queue_url, database_url, _process: process };
        member.setting().answers("readyz").await;
        member
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            folder: self.folder.path(),
            database_url: &self.database_url,
            port: self.port,
            admin_port: self.admin_port,
            queue_url: Some(self.queue_url.clone()),
            environment: Vec::new(),
        }
    }
}

/// Two doors and two workers, with names of their own on the broker.
struct Product {
    members: Vec<Member>,
    db: DatabaseConnection,
}

impl Product {
    async fn start(cluster: &BrokerCluster) -> Self {
        let database = Database::create(Kind::Postgres).await;
        let db = database.connect().await;
        migration::up(&db).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), &cluster.management_urls());
        let configuration =
            std::fs::read_to_string(folder.path().join("waha-ingest.toml")).unwrap();
        let mut members = Vec::new();
        for role in ["serve", "serve", "work", "work"] {
            members.push(Member::start(role, cluster, &database.url, &configuration).await);
        }
        Self { members, db }
    }

    fn doors(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role == "serve")
    }

    /// Waits until so many different webhooks have come to their end.
    async fn applies(&self, webhooks: usize) {
        wait_for("webhooks in the ledger", PATIENCE, || async {
            let rows = usize::try_from(count(&self.db, "webhook_events").await).unwrap();
            (rows >= webhooks).then_some(())
        })
        .await;
    }

    /// Waits until nothing waits. While the first node boots, `status` can't be had.
    async fn is_quiet(&self) {
        for door in self.doors() {
            let setting = door.setting();
            wait_for("empty queues", PATIENCE, || async {
                let said = setting.run(&["status", "--json"]).stdout;
                let status: Option<serde_json::Value> = serde_json::from_slice(&said).ok();
                status.filter(|status| status["waiting"] == 0).map(drop)
            })
            .await;
        }
    }

    /// Distinct warnings and errors of all processes, and how often each was logged.
    fn log(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for member in &self.members {
            let text = std::fs::read_to_string(member.folder.path().join("log")).unwrap();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            for line in lines.filter(|line| line["level"] != "INFO") {
                let message = line["message"].as_str().unwrap_or_default();
                let told =
                    format!("{} {}: {message}", line["level"].as_str().unwrap(), member.role);
                *found.entry(told).or_default() += 1;
            }
        }
        found
    }
}

/// What was told while a case lasted.
#[derive(Default)]
struct Told {
    readiness: BTreeMap<String, usize>,
    metrics: BTreeSet<String>,
    checks: BTreeSet<String>,
}

/// Notes what all processes say, until `stop`.
async fn listen(product: Arc<Product>, told: Arc<Mutex<Told>>, stop: CancellationToken) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    while !stop.is_cancelled() {
        for member in &product.members {
            let url = format!("http://127.0.0.1:{}/readyz", member.admin_port);
            let code = client.get(url).send().await.map_or(0, |answer| answer.status().as_u16());
            let metrics = noteworthy(&Scrape::of(&member.setting()).await);
            let mut told = told.lock().unwrap();
            *told.readiness.entry(format!("{} {code}", member.role)).or_default() += 1;
            told.metrics.extend(metrics.into_iter().map(|it| format!("{} {it}", member.role)));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What `check` of a door finds wrong.
fn check(product: &Product, told: &Mutex<Told>) {
    let door = product.doors().next().unwrap().setting();
    let said = String::from_utf8(door.run(&["check"]).stdout).unwrap();
    let failed = said.lines().filter(|line| line.starts_with("FAILED"));
    told.lock().unwrap().checks.extend(failed.map(str::to_owned));
}

/// What the metrics say that is not as it should be.
fn noteworthy(scrape: &Scrape) -> Vec<String> {
    let mut found = Vec::new();
    for dependency in ["queue", "spool", "database"] {
        if scrape.get("waha_ingest_dependency_up", &[("dependency", dependency)]) == Some(0.0) {
            found.push(format!("{dependency} down"));
        }
    }
    if scrape.get("waha_ingest_spool_webhooks", &[]).is_some_and(|count| count > 0.0) {
        found.push("spool in use".to_owned());
    }
    for fault in ["missing", "without_majority", "short_of_members", "member_offline"] {
        let labels = [("fault", fault)];
        if scrape.get("waha_ingest_broker_queue_faults", &labels).is_some_and(|count| count > 0.0) {
            found.push(fault.to_owned());
        }
    }
    found
}

/// Strikes, and says what `check` says while it lasts.
fn strike(case: Case, cluster: &BrokerCluster, check: impl Fn()) {
    let away = || {
        check();
        std::thread::sleep(AWAY);
        check();
    };
    match case {
        Case::Kill => {
            cluster.node(0).order("kill");
            away();
            cluster.node(0).order("resume");
        }
        Case::Freeze => {
            cluster.node(0).order("freeze");
            away();
            cluster.node(0).order("thaw");
        }
        Case::Partition => {
            cluster.isolate(0);
            away();
            cluster.heal();
        }
        Case::RollingRestart => {
            for index in 0..NODES {
                cluster.restart_gracefully(index);
                check();
            }
        }
    }
}

async fn send(urls: Vec<String>, webhooks: Vec<Sent>) -> Report {
    let sending = Sending {
        urls,
        key: Some(KEY.into()),
        connections: 16,
        rate: Some(RATE),
        attempts_max: 400,
        retry_delay: Duration::from_millis(250),
    };
    send_all(sending, webhooks.into_iter(), || ()).await.unwrap()
}

async fn run(case: Case, cluster: &Arc<BrokerCluster>) {
    let product = Arc::new(Product::start(cluster).await);
    let webhooks: Vec<Sent> = history(&Plan { seed: 5, ..Plan::default() }).take(COUNT).collect();
    let disturbed: Vec<Sent> = shuffled(5, 200, 0.05, webhooks.clone().into_iter()).collect();
    let urls = product.doors().map(|door| door.setting().url()).collect();
    let sending = tokio::spawn(send(urls, disturbed));
    product.applies(100).await;
    let told = Arc::new(Mutex::new(Told::default()));
    let stop = CancellationToken::new();
    let listening = tokio::spawn(listen(Arc::clone(&product), Arc::clone(&told), stop.clone()));
    let (struck, asked) = (Arc::clone(cluster), Arc::clone(&product));
    let heard = Arc::clone(&told);
    let striking =
        tokio::task::spawn_blocking(move || strike(case, &struck, || check(&asked, &heard)));
    striking.await.unwrap();
    let report = sending.await.unwrap();
    assert_eq!(report.lost, 0, "{case:?}");
    product.applies(webhooks.len()).await;
    stop.cancel();
    listening.await.unwrap();
    product.is_quiet().await;
    assert_equal(&undisturbed(webhooks).await, &without_ledger(rows(&product.db).await));
    let told = told.lock().unwrap();
    println!(
        "{case:?}: {} accepted, {} asked again, lost 0, doubled 0",
        report.accepted, report.retries
    );
    println!(
        "  readyz: {:?}\n  metrics: {:?}\n  check: {:#?}",
        told.readiness, told.metrics, told.checks
    );
    println!("  log: {:#?}", product.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surviving_majority_loses_and_doubles_nothing() {
    if !BrokerCluster::is_possible() {
        return;
    }
    let cluster = tokio::task::spawn_blocking(|| BrokerCluster::start(Reconciling::Yes)).await;
    let cluster = Arc::new(cluster.unwrap());
    for case in [Case::Kill, Case::Freeze, Case::Partition, Case::RollingRestart] {
        run(case, &cluster).await;
    }
}

//! The broker is away for a minute under load, far longer than any time-out of ours: nobody sees a
//! refusal, and every webhook that was answered 202 is applied afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use waha_ingest::queue::spool::Books;
use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use crate::app::{KEY, undisturbed};
use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::Node;
use crate::rows::{assert_equal, count, rows, without_ledger};
use crate::wait::wait_for;

const OUTAGE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(180);
/// Webhooks per second; what is sent lasts longer than the outage.
const RATE: f64 = 60.0;
const COUNT: usize = 4_000;
/// What is accepted before the broker is struck.
const BEFORE: usize = 400;
/// What is accepted while it is away, before `serve` is killed.
const SPOOLED: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn killed() {
    outlive("kill", "resume", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen() {
    outlive("freeze", "thaw", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_serve_as_well() {
    outlive("kill", "resume", true).await;
}

async fn outlive(strike: &str, mend: &str, kills_serve: bool) {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [serve, work] = folders.each_ref().map(|folder| setting(folder, &node, &database));
    let mut serving = start(&serve, "serve").await;
    let _working = start(&work, "work").await;
    let plan = Plan { seed: 5, messages: 2_000, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
    assert_eq!(webhooks.len(), COUNT);
    let load = Load::start(serve.url(), webhooks.clone(), kills_serve);
    load.reaches(BEFORE).await;
    node.does(strike);
    let struck = Instant::now();
    if kills_serve {
        load.reaches(load.count() + SPOOLED).await;
        serving.kill();
        serving = start(&serve, "serve").await;
    }
    wait_for("the outage to be over", PATIENCE, || async {
        (struck.elapsed() > OUTAGE).then_some(())
    })
    .await;
    assert!(spooled(&folders[0]).await > SPOOLED, "too little was spooled");
    node.does(mend);
    let report = load.sending.await.unwrap();
    assert_eq!((report.accepted, report.refused), (report.sent, 0), "{report:?}");
    let db = database.connect().await;
    wait_for("all webhooks in the ledger", PATIENCE, || async {
        (count(&db, "webhook_events").await == i64::try_from(COUNT).unwrap()).then_some(())
    })
    .await;
    let status = serve.settled(PATIENCE).await;
    assert_eq!(status["dead_lettered"], 0, "{status}");
    // A door that is killed while it takes webhooks leaves some uncounted, perhaps.
    let is_unknown = kills_serve && status["balanced"].is_null();
    assert!(status["balanced"] == true || is_unknown, "{status}");
    drop(serving);
    assert_equal(&undisturbed(webhooks).await, &without_ledger(rows(&db).await));
}

fn setting<'a>(folder: &'a TempDir, node: &Node, database: &'a Database) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    setting
}

/// What waits in the spool of a `serve`.
async fn spooled(folder: &TempDir) -> usize {
    let books = Books::read(&folder.path().join("data/spool.db")).await.unwrap();
    usize::try_from(books.waiting).unwrap()
}

async fn start(setting: &Setting<'_>, command: &str) -> Process {
    let process = setting.spawn(&[command]);
    setting.answers("livez").await;
    process
}

/// Webhooks on their way at a steady rate.
struct Load {
    ended: Arc<AtomicUsize>,
    sending: JoinHandle<Report>,
}

impl Load {
    /// Only where `serve` is killed as well does WAHA have to try again.
    fn start(url: String, webhooks: Vec<Sent>, retries: bool) -> Self {
        let sending = Sending {
            urls: vec![url],
            key: Some(KEY.into()),
            connections: 16,
            rate: Some(RATE),
            attempts_max: if retries { 100 } else { 0 },
            retry_delay: Duration::from_millis(250),
        };
        let ended = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&ended);
        let progress = move || {
            counting.fetch_add(1, Ordering::Relaxed);
        };
        let webhooks = shuffled(5, 200, 0.1, webhooks.into_iter());
        let sending =
            tokio::spawn(async move { send_all(sending, webhooks, progress).await.unwrap() });
        Self { ended, sending }
    }

    fn count(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    async fn reaches(&self, count: usize) {
        wait_for("webhooks taken in", PATIENCE, || async { (self.count() >= count).then_some(()) })
            .await;
    }
}

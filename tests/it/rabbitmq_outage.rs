//! The broker is away under load, longer than any time-out of the door's: nobody sees a refusal, and every
//! webhook that was answered 202 is applied afterwards. The campaign (`tests/faults --kinds broker-away`)
//! has it away for more than a minute.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use waha_ingest::queue::spool::DoorCounts;
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use crate::app::undisturbed;
use crate::database::{Database, Kind};
use crate::load::{Load, at_rate};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::Node;
use crate::rows::{assert_equal, count, rows, without_ledger};
use crate::wait::wait_for;

const OUTAGE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(180);
/// Webhooks per second; what is sent lasts longer than the outage.
const RATE: f64 = 60.0;
const COUNT: usize = 2_000;
/// What is accepted before the broker is struck.
const BEFORE: usize = 200;
/// What is accepted while it is away, before `serve` is killed.
const SPOOLED: usize = 300;

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
    // Only where `serve` is killed as well does WAHA have to try again.
    let sending = at_rate(vec![serve.url()], RATE, if kills_serve { 100 } else { 0 });
    let load = Load::start(sending, shuffled(5, 200, 0.1, webhooks.clone().into_iter()));
    load.reaches(BEFORE, PATIENCE).await;
    node.does(strike);
    let struck = Instant::now();
    if kills_serve {
        load.reaches(load.count() + SPOOLED, PATIENCE).await;
        serving.kill();
        serving = start(&serve, "serve").await;
    }
    wait_for("the outage to be over", PATIENCE, || async {
        (struck.elapsed() > OUTAGE).then_some(())
    })
    .await;
    assert!(spooled(&folders[0]).await > SPOOLED, "too little was spooled");
    node.does(mend);
    let report = load.report().await;
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
    let books = DoorCounts::read(&folder.path().join("data/spool.db")).await.unwrap();
    usize::try_from(books.waiting).unwrap()
}

async fn start(setting: &Setting<'_>, command: &str) -> Process {
    let process = setting.spawn(&[command]);
    setting.answers("livez").await;
    process
}

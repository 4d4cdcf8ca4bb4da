//! `serve` and `work` apart, two of each, on RabbitMQ and a database server: the same rows as one
//! worker makes that gets everything in order.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use crate::app::undisturbed;
use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::prefix;
use crate::rows::{assert_equal, rows, without_ledger};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
const COUNT: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    same_rows(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    same_rows(Kind::MySql).await;
}

async fn same_rows(kind: Kind) {
    let database = Database::create(kind).await;
    migration::up(&database.connect().await).await.expect("migrations");
    let folders = [(); 4].map(|()| tempfile::tempdir().expect("a folder"));
    let prefix = prefix();
    let settings = folders.each_ref().map(|folder| setting(folder, &database.url, &prefix));
    let running = start_all(&settings).await;
    let plan = Plan { seed: 11, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
    // Both doors get all of it, in different orders, so that half are duplicates.
    let accepted = send(&settings[0], 1, webhooks.clone()).await
        + send(&settings[1], 2, webhooks.clone()).await;
    let odd = Sent { body: b"no JSON".to_vec(), ..webhooks[0].clone() };
    let accepted = accepted + send(&settings[0], 3, vec![odd]).await;
    let status = settled(&settings, accepted).await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!(status["dead_lettered"], 1, "{status}");
    let replay = settings[1].run(&["dead-letters", "replay", "--all", "--yes"]);
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let status = settled(&settings, accepted).await;
    assert_eq!(status["balanced"], true, "after a replay: {status}");
    drop(running);
    // The odd one has a row in the ledger.
    let actual = without_ledger(rows(&database.connect().await).await);
    assert_equal(&undisturbed(webhooks).await, &actual);
}

fn setting<'a>(folder: &'a TempDir, database_url: &'a str, prefix: &str) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), database_url);
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL is not set: run tests/run");
    setting.queue_url = Some(url);
    let file = folder.path().join("waha-ingest.toml");
    std::fs::write(file, format!("queue.prefix = \"{prefix}\"")).expect("a configuration");
    setting
}

async fn start_all(settings: &[Setting<'_>; 4]) -> Vec<Process> {
    let mut running = Vec::new();
    for (setting, command) in settings.iter().zip(["serve", "serve", "work", "work"]) {
        running.push(setting.spawn(&[command]));
        setting.answers("readyz").await;
    }
    running
}

async fn send(setting: &Setting<'_>, seed: u64, webhooks: Vec<Sent>) -> u64 {
    let sending = setting.sending(8);
    let webhooks = shuffled(seed, 50, 0.0, webhooks.into_iter());
    let report = send_all(sending, webhooks, || ()).await.expect("a report");
    assert_eq!(report.accepted, report.sent);
    report.accepted
}

/// The status once nothing waits, with the books of both doors.
async fn settled(settings: &[Setting<'_>; 4], accepted: u64) -> Value {
    let spools: Vec<PathBuf> =
        settings[..2].iter().map(|setting| setting.folder.join("data/spool.db")).collect();
    let spools: Vec<&str> = spools.iter().map(|path| path.to_str().expect("text")).collect();
    let arguments = ["status", "--json", "--spool", spools[0], "--spool", spools[1]];
    wait_for("an empty queue", PATIENCE, || async {
        let output = settings[3].run(&arguments);
        let status: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let is_quiet = status["waiting"] == 0 && status["balanced"] == true;
        (is_quiet && status["accepted"] == accepted).then_some(status)
    })
    .await
}

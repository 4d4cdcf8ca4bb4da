//! What `/metrics` exports: exactly what is documented, and nothing that somebody outside made up.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use tempfile::TempDir;
use waha_ingest::http_client;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::prefix;
use crate::rows::count;
use crate::scrape::Scrape;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const DOCUMENTED: &str = include_str!("../../src/metrics/METRICS.md");

/// Type and labels of each family, by name.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the documented table that are exported by any of `parts`.
fn documented(parts: &[&str]) -> Families {
    let rows = DOCUMENTED.lines().filter(|line| line.starts_with("| `waha_ingest_"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let is_here = |cells: &Vec<&str>| cells[4].split(", ").any(|part| parts.contains(&part));
    let here = cells.filter(is_here);
    here.map(|cells| {
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned);
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels.collect()))
    })
    .collect()
}

async fn exercise(door: &Setting<'_>) {
    let client = Client::new(door);
    for event in ["message", "made.up"] {
        client.post("default", &json!({ "event": event, "session": "s" }).to_string()).await;
    }
    client.post("default", "no JSON").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_exports_what_is_documented() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    let nobody = "http://127.0.0.1:1".to_owned();
    setting.environment.push(("WAHA_INGEST__SOURCES__DEFAULT__WAHA__URL", nobody));
    setting.environment.push(("WAHA_INGEST__MEDIA__ENABLED", "true".to_owned()));
    let _up = setting.up().await;
    exercise(&setting).await;
    ended(&setting, 3).await;
    let parts = ["all", "serve", "work", "embedded", "media", "reconcile", "watchdog"];
    exports(&setting, documented(&parts)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn door_and_worker_apart_export_what_is_documented() {
    let (folders, database) =
        ([(); 2].map(|()| tempfile::tempdir().unwrap()), Database::create(Kind::Sqlite).await);
    let prefix = prefix();
    let [door, worker] = folders.each_ref().map(|it| broker_setting(it, &database.url, &prefix));
    let _serve = door.spawn(&["serve"]);
    door.answers("readyz").await;
    let _work = worker.spawn(&["work"]);
    exercise(&door).await;
    ended(&worker, 3).await;
    exports(&worker, documented(&["all", "work", "consume", "consumers"])).await;
    exports(&door, documented(&["all", "serve", "spool"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_data_folder_is_told_in_bytes() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let mut df = Command::new("df");
    df.args(["--block-size=1", "--output=size,avail"]).arg(folder.path());
    let df = String::from_utf8(df.output().unwrap().stdout).unwrap();
    let told: Vec<f64> = df.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [size, free] = told[..] else { panic!("{df}") };
    let disk = wait_for("the disk", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        let bytes = |name| scrape.get(name, &[]);
        bytes("waha_ingest_data_disk_bytes").zip(bytes("waha_ingest_data_disk_free_bytes"))
    })
    .await;
    assert!((disk.0 - size).abs() < 1.0, "{disk:?}: {df}");
    // Others write to it, too.
    assert!((disk.1 - free).abs() < size / 20.0, "{disk:?}: {df}");
}

/// Waits for all families: an age that a process can't know just now has no series.
async fn exports(setting: &Setting<'_>, families: Families) {
    wait_for("all that is documented", PATIENCE, || async {
        (Scrape::of(setting).await.families() == families).then_some(())
    })
    .await;
}

/// The metrics once so many deliveries have ended.
async fn ended(setting: &Setting<'_>, count: u64) -> Scrape {
    setting.answers("readyz").await;
    wait_for("ended deliveries", PATIENCE, || async {
        let scrape = Scrape::of(setting).await;
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let is_done = scrape.sum("waha_ingest_deliveries_total", &[]) >= count as f64;
        is_done.then_some(scrape)
    })
    .await
}

fn broker_setting<'a>(folder: &'a TempDir, database_url: &'a str, prefix: &str) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), database_url);
    setting.queue_url = Some(std::env::var("TEST_AMQP_URL").expect("run tests/run"));
    let file = folder.path().join("waha-ingest.toml");
    std::fs::write(file, format!("queue.prefix = \"{prefix}\"\nfeed.exchange = true")).unwrap();
    setting
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_can_make_series() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let client = Client::new(&setting);
    exercise(&setting).await;
    ended(&setting, 3).await;
    let before = wait_for("the count of the dead letter", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        (scrape.sum("waha_ingest_dead_letters_total", &[]) >= 1.0).then_some(scrape.series())
    })
    .await;
    for number in 0..100 {
        let made_up = json!({ "event": format!("made.up.{number}"), "session": "s" }).to_string();
        client.post("default", &made_up).await;
        client.post(&format!("source{number}"), &made_up).await;
    }
    let after = ended(&setting, 103).await;
    let new: BTreeSet<String> = after.series().difference(&before).cloned().collect();
    assert!(new.iter().all(|series| series.contains("source=\"other\"")), "{new:?}");
    assert!(new.len() <= 1, "one series for all unknown sources: {new:?}");
    let received = "waha_ingest_webhooks_received_total";
    let [accepted, unknown] = [
        [("event_type", "other"), ("response", "accepted")],
        [("source", "other"), ("response", "unknown_source")],
    ];
    let sums = [after.sum(received, &accepted), after.sum(received, &unknown)];
    assert_eq!(sums.map(|sum| sum.to_string()), ["101", "100"]);
}

/// Posts signed bodies to any source.
struct Client {
    url: String,
    client: reqwest::Client,
}

impl Client {
    fn new(setting: &Setting<'_>) -> Self {
        let client = http_client::plain().build().unwrap();
        Self { url: setting.url(), client }
    }

    async fn post(&self, source: &str, body: &str) {
        let signature = waha_ingest::webhook::source::sign(&KEY.into(), body.as_bytes());
        let url = self.url.replace("default", source);
        let request = self.client.post(url).header("x-webhook-hmac", signature);
        request.body(body.to_owned()).send().await.unwrap();
    }
}

/// A batch that was committed and could not be acked comes again, and is counted then.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_acked_at_once_is_counted_once() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Postgres).await);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let db = database.connect().await;
    let tables = db.begin().await.unwrap();
    tables.execute_unprepared("LOCK TABLE webhook_events").await.unwrap();
    exercise(&setting).await;
    let waiting = "pg_locks WHERE NOT granted AND relation = 'webhook_events'::regclass";
    wait_for("a batch in hand", PATIENCE, || async {
        (count(&db, waiting).await > 0).then_some(())
    })
    .await;
    let queue = rusqlite::Connection::open(folder.path().join("data/queue.db")).unwrap();
    queue.busy_timeout(PATIENCE).unwrap();
    queue.execute_batch("BEGIN IMMEDIATE").unwrap();
    tables.commit().await.unwrap();
    wait_for("an ack that fails", PATIENCE, || async {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.contains("can't ack a batch").then_some(())
    })
    .await;
    queue.execute_batch("ROLLBACK").unwrap();
    setting.settled(PATIENCE).await;
    let ends = ["applied", "duplicate", "ignored", "dead_lettered"];
    let scraped = async || {
        let scrape = Scrape::of(&setting).await;
        ends.map(|end| scrape.sum("waha_ingest_deliveries_total", &[("outcome", end)]))
    };
    wait_for("all of them", PATIENCE, || async {
        (scraped().await.iter().sum::<f64>() >= 3.0).then_some(())
    })
    .await;
    let sum: f64 = scraped().await.iter().sum();
    assert!((sum - 3.0).abs() < 0.5, "{sum} of 3");
}

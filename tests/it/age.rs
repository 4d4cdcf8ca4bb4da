//! The age of the oldest that waits, told by the side that still runs while the worker is down.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::{Node, prefix};
use crate::scrape::Scrape;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(180);
const AGE: &str = "waha_ingest_oldest_waiting_age_seconds";

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    grows_without_a_worker(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let url = std::env::var("TEST_AMQP_URL").expect("run tests/run");
    let setting = with_broker(&folder, &database, url);
    grows_without_a_worker(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spooled_and_on_a_broker_that_is_away() {
    let node = Node::start();
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = with_broker(&folder, &database, node.url().to_owned());
    let _serve = setting.spawn(&["serve"]);
    becomes(&setting, "nothing known but empty", |age| age == Some(0.0)).await;
    post(&setting, "message").await;
    becomes(&setting, "an age", |age| age > Some(0.0)).await;
    node.does("kill");
    let away = wait_for("a broker that is away", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        let up = scrape.get("waha_ingest_dependency_up", &[("dependency", "queue")]);
        (up == Some(0.0)).then_some(scrape)
    })
    .await;
    // It goes on being told, and the door is still ready.
    let age = away.get(AGE, &[("lane", "messages")]);
    becomes(&setting, "an older age", |now| now > age.map(|age| age + 1.0)).await;
    post(&setting, "call.received").await;
    wait_for("the age of a spooled call", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        (scrape.get(AGE, &[("lane", "calls")]) > Some(1.0)).then_some(())
    })
    .await;
    setting.answers("readyz").await;
    node.does("resume");
}

fn with_broker<'a>(folder: &'a TempDir, database: &'a Database, url: String) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(url);
    let file = folder.path().join("waha-ingest.toml");
    std::fs::write(file, format!("queue.prefix = \"{}\"", prefix())).unwrap();
    setting
}

async fn grows_without_a_worker(setting: &Setting<'_>) {
    assert!(setting.run(&["migrate", "up"]).status.success());
    let mut serve = setting.spawn(&["serve"]);
    // An empty lane was seen: only then is it known since when something waits.
    becomes(setting, "an empty lane", |age| age == Some(0.0)).await;
    for _ in 0..3 {
        post(setting, "message").await;
    }
    let young = becomes(setting, "an age", |age| age > Some(0.0)).await;
    let older = becomes(setting, "an older age", |age| age > young.map(|age| age + 2.0)).await;
    // A door that starts anew knows it still.
    serve.kill();
    let mut serve = setting.spawn(&["serve"]);
    becomes(setting, "the age after a restart", |age| age >= older).await;
    let status = setting.status();
    let told = status["lanes"][1]["oldest_age_ms"].as_f64();
    assert!(told >= older.map(|age| age * 1000.0), "{status}");
    serve.kill();
    let _up = setting.up().await;
    becomes(setting, "nothing that waits", |age| age == Some(0.0)).await;
}

/// The age of the messages lane once it is right.
async fn becomes(
    setting: &Setting<'_>,
    what: &str,
    is_right: impl Fn(Option<f64>) -> bool,
) -> Option<f64> {
    setting.answers("readyz").await;
    wait_for(what, PATIENCE, || async {
        let age = Scrape::of(setting).await.get(AGE, &[("lane", "messages")]);
        is_right(age).then_some(age)
    })
    .await
}

async fn post(setting: &Setting<'_>, event: &str) {
    let body = json!({ "event": event, "session": "s", "payload": { "id": "1" } }).to_string();
    let client = http_client::plain().build().unwrap();
    let signature = sign(&KEY.into(), body.as_bytes());
    let request = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
    request.send().await.unwrap().error_for_status().unwrap();
}

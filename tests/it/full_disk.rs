//! A disk that is really full: the door counts and starts all the same while the broker is up, `/readyz`
//! says what can't be written, and the log says why, once.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::disk::{Disk, SmallDisk};
use crate::process::{Setting, ended};
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);

async fn readiness(setting: &Setting<'_>) -> (StatusCode, Value) {
    let client = http_client::plain().build().unwrap();
    let url = format!("http://127.0.0.1:{}/readyz", setting.admin_port);
    let answer = client.get(url).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Posts so many different webhooks; says how many were accepted.
async fn post(setting: &Setting<'_>, first: u32, count: u32) -> u32 {
    let client = http_client::plain().build().unwrap();
    let mut accepted = 0;
    for number in first..first + count {
        let body = json!({ "event": "presence.update", "session": "s", "id": format!("e{number}"),
            "timestamp": 1_790_000_000_000_u64, "payload": {}, "filler": "x".repeat(500) });
        let body = body.to_string();
        let signature = sign(&KEY.into(), body.as_bytes());
        let request = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
        accepted += u32::from(request.send().await.unwrap().status() == StatusCode::ACCEPTED);
    }
    accepted
}

async fn status_is(setting: &Setting<'_>, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, PATIENCE, || async {
        let status = setting.status();
        is_so(&status).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_outlives_a_full_spool_disk_and_a_kill() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path().join("data"), 4 << 20);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let mut serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    assert_eq!(post(&setting, 0, 50).await, 50);
    disk.fail();
    assert_eq!(post(&setting, 50, 100).await, 100, "the broker is up");
    status_is(&setting, "a count at rest", |told| {
        told["accepted"] == 150 && told["balanced"] == true
    })
    .await;
    let (status, told) = wait_for("a spool that is down", PATIENCE, || async {
        let (status, told) = readiness(&setting).await;
        (told["dependencies"]["spool"]["state"] == "down").then_some((status, told))
    })
    .await;
    assert_eq!(status, StatusCode::OK, "webhooks are taken all the same: {told}");
    serve.kill();
    let mut serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    assert_eq!(post(&setting, 150, 50).await, 50);
    let told = status_is(&setting, "all counted", |told| told["accepted"] == 200).await;
    assert_ne!(told["balanced"], false, "{told}");
    disk.mend();
    let work_folder = tempfile::tempdir().unwrap();
    let mut work = Setting::new(work_folder.path(), &database.url);
    work.queue_url = Some(node.url().to_owned());
    let _working = work.spawn(&["work"]);
    let told =
        status_is(&setting, "a balance", |told| told["balanced"] == true && ended(told) == 200)
            .await;
    assert_eq!((&told["uncertain"], &told["missing"]), (&json!(0), &json!(0)), "{told}");
    assert_eq!(serve.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_never_had_room_takes_webhooks_while_the_broker_is_up() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path().join("data"), 4 << 20);
    disk.fail();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let (_, told) = readiness(&setting).await;
    assert_eq!(told["dependencies"]["spool"]["state"], "down", "{told}");
    assert_eq!(post(&setting, 0, 30).await, 30);
    disk.mend();
    wait_for("an open spool", PATIENCE, || async {
        let (_, told) = readiness(&setting).await;
        (told["dependencies"]["spool"]["state"] == "up").then_some(())
    })
    .await;
    status_is(&setting, "what was counted in memory", |told| {
        told["accepted"] == 30 && told["balanced"] == true
    })
    .await;
    node.does("kill");
    assert_eq!(post(&setting, 30, 5).await, 5, "the spool is open now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_on_a_read_only_disk_takes_webhooks_while_the_broker_is_up() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path().join("data"), 4 << 20);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let mut serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    assert_eq!(post(&setting, 0, 10).await, 10);
    let at_rest = |told: &Value| told["accepted"] == 10 && told["balanced"] == true;
    status_is(&setting, "a count at rest", at_rest).await;
    // Killed, it leaves log and index, without which nobody could even read.
    serve.kill();
    disk.remount("ro");
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let (_, told) = readiness(&setting).await;
    assert_eq!(told["dependencies"]["spool"]["state"], "down", "{told}");
    assert_eq!(post(&setting, 10, 30).await, 30);
    disk.remount("rw");
    wait_for("an open spool", PATIENCE, || async {
        let (_, told) = readiness(&setting).await;
        (told["dependencies"]["spool"]["state"] == "up").then_some(())
    })
    .await;
    status_is(&setting, "what was counted in memory", |told| told["accepted"] == 40).await;
    node.does("kill");
    assert_eq!(post(&setting, 40, 5).await, 5, "the spool is open now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_disk_shows_in_readyz_and_in_the_log_with_its_cause() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let disk = SmallDisk::mount(folder.path().join("data"), 8 << 20);
    let setting = Setting::new(folder.path(), &database.url);
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    disk.fail();
    let refused = wait_for("refusals", PATIENCE, || async {
        let refused = 300 - post(&setting, 0, 300).await;
        (refused > 100).then_some(refused)
    })
    .await;
    let (status, told) = readiness(&setting).await;
    let queue = &told["dependencies"]["queue"];
    assert_eq!((status, &queue["state"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("down")));
    let failure = queue["last_use"]["failure"].as_str().unwrap_or_default();
    assert!(failure.contains("full"), "{told}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|it| it.contains("webhook not accepted")).collect();
    assert!(!lines.is_empty() && lines.len() < 10, "{refused} refusals made {} lines", lines.len());
    assert!(lines[0].contains("the embedded queue failed: database or disk is full"), "{log}");
    disk.mend();
    wait_for("an open door", PATIENCE, || async {
        (readiness(&setting).await.0 == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(post(&setting, 1000, 5).await, 5);
    assert!(disk.path().exists());
}

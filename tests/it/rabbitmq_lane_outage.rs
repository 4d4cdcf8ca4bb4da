//! A lane's queue takes nothing (it nacks, as one without leader or majority does), while the broker lives:
//! an outage of that lane, told once, and over as soon as the queue takes webhooks again.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
/// No webhook waits longer once the queue takes them again.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_takes_nothing_is_one_outage_and_no_other_lanes() {
    let node = Node::start();
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    post(&setting, "message", 0..2).await;
    wait_for("the broker to take webhooks", PATIENCE, || async {
        (waiting(&node, "waha.messages") == 2).then_some(())
    })
    .await;
    let begun = log(&setting).len();
    let log = || log(&setting)[begun..].to_owned();
    // The queue is full with them and answers with nacks, as its own arguments say.
    let limit =
        ["set_policy", "full", "^waha.messages$", r#"{"max-length":1}"#, "--apply-to", "queues"];
    node.control(&limit);
    post(&setting, "message", 2..100).await;
    post(&setting, "call.received", 0..50).await;
    wait_for("the nacks", PATIENCE, || async {
        (log().contains("the queue takes nothing")).then_some(())
    })
    .await;
    // The calls wait on the broker, not behind the messages.
    wait_for("the calls on the broker", PATIENCE, || async {
        (waiting(&node, "waha.calls") == 50).then_some(())
    })
    .await;
    post(&setting, "message", 100..200).await;
    let lines = log();
    let told = lines.matches("takes no webhooks").count();
    assert!((1..=2).contains(&told), "once, and once a minute: {lines}");
    assert!(!lines.contains("takes webhooks again"), "{lines}");
    assert!(!lines.contains("a webhook is spooled"), "{lines}");
    node.control(&["clear_policy", "full"]);
    wait_for("all messages on the broker", RECOVERY_MAX, || async {
        (waiting(&node, "waha.messages") >= 200).then_some(())
    })
    .await;
    assert!(log().contains("takes webhooks again"));
}

/// Nobody answers for a queue that has no leader, not even with a nack, and the broker's channels wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_a_leader_deafens_no_other() {
    let node = Node::start();
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    of_messages(&node, "suspend");
    for round in 0..5 {
        post(&setting, "message", round * 10..(round + 1) * 10).await;
        post(&setting, "call.received", round * 10..(round + 1) * 10).await;
    }
    wait_for("the calls on the broker", RECOVERY_MAX, || async {
        (waiting(&node, "waha.calls") == 50).then_some(())
    })
    .await;
    let lines = log(&setting);
    let told = lines.matches("takes no webhooks").count();
    assert!((1..=2).contains(&told), "once, and once a minute: {lines}");
    assert!(!lines.contains("takes webhooks again"), "{lines}");
    of_messages(&node, "resume");
    wait_for("the messages on the broker", PATIENCE, || async {
        (waiting(&node, "waha.messages") >= 50).then_some(())
    })
    .await;
}

/// Does something with the process that answers for the queue of messages.
fn of_messages(node: &Node, what: &str) {
    let call = format!("sys:{what}('%2F_waha.messages').");
    node.control(&["eval", &call]);
}

fn waiting(node: &Node, queue: &str) -> usize {
    let told = node.told(&["-q", "list_queues", "name", "messages"]);
    let line = told.lines().find_map(|line| line.strip_prefix(queue)?.trim().parse().ok());
    line.unwrap_or_default()
}

fn log(setting: &Setting<'_>) -> String {
    std::fs::read_to_string(setting.folder.join("log")).unwrap()
}

async fn post(setting: &Setting<'_>, event: &str, numbers: std::ops::Range<usize>) {
    let client = http_client::plain().build().unwrap();
    for number in numbers {
        let id = format!("{event}-{number}");
        let body = json!({ "id": id, "event": event, "session": "s", "payload": {} }).to_string();
        let signature = sign(&KEY.into(), body.as_bytes());
        let request = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
}

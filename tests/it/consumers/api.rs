//! Consumers over the admin API: the same as by the command line, and in the audit log by the token's name.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use super::SECRET;
use super::receiver::Receiver;
use crate::admin_api::{Desk, secret};
use crate::database::{Database, Kind};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

async fn operate(desk: &Desk<'_>, action: &str, told: Value) -> (StatusCode, Value) {
    let asked = desk.request(Method::POST, &format!("api/v1/consumers/{action}"));
    let answer = asked.bearer_auth(secret("operator")).json(&told).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn done(desk: &Desk<'_>, action: &str, told: Value) -> Value {
    let (status, consumer) = operate(desk, action, told).await;
    assert_eq!(status, StatusCode::OK, "{action}: {consumer}");
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_handle_consumers_as_by_the_command() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let receiver = Receiver::start();
    let more = format!(
        "[consumers.crm]\nurl = \"{}\"\nsecret = \"{SECRET}\"\nkinds = [\"message.created\"]\n",
        receiver.url
    );
    let desk = Desk::open_configured(&folder, &database, "", &more).await;
    wait_for("the consumer", PATIENCE, || async {
        let known = desk.json("api/v1/consumers").await;
        (known["consumers"][0]["name"] == "crm").then_some(())
    })
    .await;
    let paused = done(&desk, "crm/pause", json!({ "note": "moving" })).await;
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("moving")));
    let webhooks = history(&Plan { seed: 3, ..Plan::default() }).take(60);
    send_all(desk.setting.sending(4), webhooks, || ()).await.unwrap();
    let first = wait_for("a message", PATIENCE, || async {
        let page = desk.json("api/v1/changes?kind=message.created&limit=1").await;
        page["changes"][0]["position"].as_i64()
    })
    .await;
    let skipped = done(&desk, "crm/skip", json!({})).await;
    assert_eq!((&skipped["position"], &skipped["state"]), (&json!(first), &json!("paused")));
    assert_eq!(skipped["skipped"]["position"], first);
    assert_eq!(skipped["skipped"]["kind"], "message.created");
    let rewound = done(&desk, "crm/rewind", json!({ "to": 0 })).await;
    assert_eq!((&rewound["position"], &rewound["generation"]), (&json!(0), &json!(1)));

    let shown = desk.setting.run(&["consumers", "show", "crm", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let asked = desk.json("api/v1/consumers/crm").await;
    let keys = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&shown), keys(&asked));
    assert_eq!((&shown["position"], &shown["state"]), (&json!(0), &json!("paused")));

    assert_eq!(operate(&desk, "erp/pause", json!({})).await.0, StatusCode::NOT_FOUND);
    let ahead = operate(&desk, "crm/rewind", json!({ "to": 999_999 })).await;
    assert_eq!(ahead.0, StatusCode::GONE, "{}", ahead.1);
    assert_eq!(operate(&desk, "crm/rewind", json!({ "to": -1 })).await.0, StatusCode::BAD_REQUEST);
    assert!(receiver.got().is_empty());
    done(&desk, "crm/resume", json!({})).await;
    wait_for("a delivery", PATIENCE, || async { receiver.got().pop() }).await;
    let audit = desk.json("api/v1/audit-logs").await;
    let entries = audit["audit_logs"].as_array().unwrap();
    for action in ["pause", "skip", "rewind", "resume"] {
        let entry = entries.iter().find(|it| it["action"] == action).unwrap();
        assert_eq!(entry["actor"], "operator", "{entry}");
    }
}

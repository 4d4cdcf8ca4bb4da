//! Each role of the admin listener gets exactly its own, and who reads a body is in the audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::admin_api::{Desk, secret};
use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// What somebody wrote, in a webhook that is applied and in one that becomes a dead letter.
const WRITTEN: &str = "the red bicycle";

/// A way of the admin listener, and the roles that may go it.
type Way = (Method, &'static str, &'static [&'static str]);

const ALL: &[&str] = &["metrics", "viewer", "application", "reader", "operator"];
const NOT_METRICS: &[&str] = &["viewer", "application", "reader", "operator"];
const VIEW: &[&str] = &["viewer", "reader", "operator"];
const ROWS: &[&str] = &["application", "reader", "operator"];
const BODIES: &[&str] = &["reader", "operator"];
const OPERATE: &[&str] = &["operator"];

fn ways() -> Vec<Way> {
    let get = |path: &'static str, roles: &'static [&'static str]| (Method::GET, path, roles);
    let post = |path: &'static str| (Method::POST, path, OPERATE);
    vec![
        get("metrics", &["metrics", "viewer", "reader", "operator"]),
        get("api/v1/openapi.json", NOT_METRICS),
        get("api/v1/sessions", NOT_METRICS),
        get("api/v1/sessions/1", NOT_METRICS),
        get("api/v1/completeness", NOT_METRICS),
        get("api/v1/changes", ROWS),
        get("api/v1/feed", ROWS),
        (Method::PUT, "api/v1/chats/1/reads/7", ROWS),
        get("api/v1/messages", ROWS),
        get("api/v1/messages/1/attachments", ROWS),
        get("api/v1/attachments/1", ROWS),
        get("api/v1/attachments/1/link", ROWS),
        get("api/v1/status", VIEW),
        get("api/v1/refusals", VIEW),
        get("api/v1/log-level", VIEW),
        (Method::PUT, "api/v1/log-level", OPERATE),
        get("api/v1/webhooks", VIEW),
        // Who may ask whether a body holds a text reads it so.
        get("api/v1/webhooks?message=x", BODIES),
        get("api/v1/webhooks?chat=x", BODIES),
        get("api/v1/webhooks?person=x", BODIES),
        get("api/v1/dead-letters?chat=x", BODIES),
        get("api/v1/dead-letters/groups?chat=x", BODIES),
        get("api/v1/webhooks/1", VIEW),
        get("api/v1/webhooks/1/body", BODIES),
        get("api/v1/webhooks/retrying", VIEW),
        post("api/v1/webhooks/retry"),
        post("api/v1/webhooks/renormalize"),
        get("api/v1/dead-letters", VIEW),
        get("api/v1/dead-letters/groups", VIEW),
        get("api/v1/dead-letters/1", VIEW),
        get("api/v1/dead-letters/1/body", BODIES),
        (Method::PUT, "api/v1/dead-letters/1/body", OPERATE),
        get("api/v1/dead-letters/export", BODIES),
        post("api/v1/dead-letters/import"),
        post("api/v1/dead-letters/replay"),
        post("api/v1/dead-letters/discard"),
        post("api/v1/dead-letters/restore"),
        get("api/v1/replay-jobs", VIEW),
        post("api/v1/replay-jobs/1/cancel"),
        get("api/v1/audit-logs", VIEW),
        get("api/v1/consumers", VIEW),
        get("api/v1/consumers/crm", VIEW),
        post("api/v1/consumers/crm/pause"),
        post("api/v1/consumers/crm/resume"),
        post("api/v1/consumers/crm/rewind"),
        post("api/v1/consumers/crm/skip"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_gets_exactly_its_own() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    fill(&desk).await;
    for (method, path, allowed) in ways() {
        for role in ALL {
            let asked = desk.request(method.clone(), path).bearer_auth(secret(role));
            // What an operator would change is refused for its content, never for the role.
            let asked = if method == Method::GET { asked } else { asked.json(&json!([])) };
            let status = asked.send().await.unwrap().status();
            let is_allowed = status != StatusCode::FORBIDDEN;
            assert_eq!(is_allowed, allowed.contains(role), "{role}: {method} {path}: {status}");
        }
    }
}

/// A way that is added must be added here, with the roles that may go it.
#[tokio::test(flavor = "multi_thread")]
async fn every_described_way_has_its_roles() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let description = desk.json("api/v1/openapi.json").await;
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, ways)| {
            let path = path.trim_start_matches('/').replace("{id}", "1").replace("{user_id}", "7");
            let path = path.replace("{name}", "crm");
            let methods = ways.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let tried: BTreeSet<String> = ways()
        .into_iter()
        .filter(|(_, path, _)| !["metrics", "api/v1/openapi.json"].contains(path))
        .filter(|(_, path, _)| !path.contains('?'))
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(described, tried);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_text_and_whoever_reads_one_is_written_down() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    fill(&desk).await;
    for path in ways().into_iter().filter(|(method, ..)| method == Method::GET).map(|way| way.1) {
        let asked = desk.request(Method::GET, path).bearer_auth(secret("viewer"));
        let answer = asked.send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains(WRITTEN), "{path}: {answer}");
    }
    assert_eq!(readings(&desk).await, Vec::<Value>::new());
    let rows = async |role| {
        let asked = desk.request(Method::GET, "api/v1/webhooks/1").bearer_auth(secret(role));
        asked.send().await.unwrap().json::<Value>().await.unwrap()["rows"].clone()
    };
    assert_eq!(rows("viewer").await, Value::Null, "ids of people are among them");
    assert!(rows("application").await.is_null());
    let reads = [
        ("webhooks/1", json!({ "webhook": 1 })),
        ("webhooks/1/body", json!({ "webhook": 1 })),
        ("dead-letters/1", json!({ "dead_letter": 1 })),
        ("dead-letters/1/body", json!({ "dead_letter": 1 })),
        (
            "dead-letters/export?reason=malformed",
            json!({ "dead_letters": { "reasons": ["malformed"] } }),
        ),
    ];
    for (number, (path, which)) in reads.into_iter().enumerate() {
        let asked = desk.request(Method::GET, &format!("api/v1/{path}"));
        let answer = asked.bearer_auth(secret("reader")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let readings = readings(&desk).await;
        assert_eq!(readings.len(), number + 1, "{path}");
        let newest = &readings[0];
        assert_eq!((&newest["actor"], &newest["channel"]), (&json!("reader"), &json!("api")));
        assert!(includes(&newest["filter"], &which), "{path}: {newest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_sees_its_own_sessions() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let limits = "sources = [\"default\"]\nsessions = [\"shop\"]\n";
    let desk = Desk::open_limiting_application(&folder, &database, limits).await;
    fill(&desk).await;
    let names = |role: &'static str| {
        let asked = desk.request(Method::GET, "api/v1/sessions").bearer_auth(secret(role));
        async move {
            let page: Value = asked.send().await.unwrap().json().await.unwrap();
            let names = page["sessions"].as_array().unwrap().iter();
            names.map(|it| it["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(names("application").await, BTreeSet::from(["shop".to_owned()]));
    assert_eq!(names("viewer").await, BTreeSet::from(["shop".to_owned(), "club".to_owned()]));
}

/// Whether the object has all that is expected of it.
fn includes(told: &Value, expected: &Value) -> bool {
    match (told, expected) {
        (Value::Object(told), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| told.get(key).is_some_and(|told| includes(told, value))),
        (told, expected) => told == expected,
    }
}

async fn readings(desk: &Desk<'_>) -> Vec<Value> {
    let page = desk.json("api/v1/audit-logs?action=read").await;
    page["audit_logs"].as_array().unwrap().clone()
}

/// Two sessions, a message in each, and a dead letter.
pub async fn fill(desk: &Desk<'_>) {
    for (session, id) in [("shop", "evt_1"), ("club", "evt_2")] {
        let body = json!({
            "id": id, "timestamp": 1_790_000_000_000_i64, "event": "message", "session": session,
            "engine": "NOWEB", "me": { "id": "15550000001@c.us" },
            "payload": {
                "id": format!("false_15550000002@c.us_{id}"), "timestamp": 1_790_000_000,
                "from": "15550000002@c.us", "fromMe": false, "body": WRITTEN, "hasMedia": false,
            },
        });
        post(&desk.setting, body.to_string()).await;
    }
    post(&desk.setting, format!("{{\"event\": \"message\", \"text\": \"{WRITTEN}\"")).await;
    let status = desk.setting.settled(PATIENCE).await;
    assert_eq!((&status["applied"], &status["dead_lettered"]), (&json!(2), &json!(1)), "{status}");
}

/// Sends a webhook until it is accepted, as WAHA does: the door of a busy machine may answer 503.
pub async fn post(setting: &Setting<'_>, body: String) {
    let client = http_client::plain().build().unwrap();
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    wait_for("a webhook to be accepted", PATIENCE, async || {
        let request = client.post(setting.url()).header(HMAC_HEADER, &signature);
        let answer = request.body(body.clone()).send().await.ok()?;
        (answer.status() == StatusCode::ACCEPTED).then_some(())
    })
    .await;
}

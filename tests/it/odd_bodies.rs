//! Bodies that break naive consumers: each is stored sensibly or becomes a dead letter that says
//! why, and none blocks its lane.

use sea_orm::EntityTrait;
use serde_json::{Value, json};
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::dead_letter::DeadLetterFilter;
use waha_ingest::store::operations::page::RowPage;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(odd_bodies_are_stored_or_explained);

async fn odd_bodies_are_stored_or_explained(kind: Kind) {
    let app = TestApp::start(kind).await;
    let long = "ä".repeat(70_000);
    post_payload(&app, &message("NUL", r"a\u0000b", "1794000000")).await;
    post_payload(&app, &message("SURROGATE", r"a\ud83d", "1794000000")).await;
    post_payload(&app, &message("LONG", &long, "1794000000")).await;
    post_payload(&app, &message("NEGATIVE", "x", "-5")).await;
    post_payload(&app, &message("FAR", "x", "4000000000")).await;
    post_payload(&app, &message("STRING", "x", "\"1794000000\"")).await;
    post_payload(&app, &message("NUMBER", "x", "1794000000").replace("\"x\"", "12345")).await;
    post_payload(&app, &format!("{{\"deep\": {}1{}}}", "[".repeat(500), "]".repeat(500))).await;
    post_payload(&app, r#"{"no": "id"}"#).await;
    post_payload(&app, &message("LAST", "fine", "1794000000")).await;
    app.work_until_idle().await;

    let text = |id: &'static str| texts(&app, id);
    assert_eq!(text("NUL").await, "a\u{fffd}b");
    assert_eq!(text("SURROGATE").await, "a\u{fffd}");
    assert_eq!(text("LONG").await, long);
    assert_eq!(text("NUMBER").await, "12345");
    assert_eq!(text("LAST").await, "fine");
    assert_eq!(sent_at(&app, "NEGATIVE").await, None);
    assert_eq!(sent_at(&app, "STRING").await.as_deref(), Some("2026-11-06T21:20:00+00:00"));
    assert_eq!(sent_at(&app, "FAR").await.as_deref(), Some("2096-10-02T07:06:40+00:00"));

    let filter =
        DeadLetterFilter { states: vec![DeadLetterState::Pending], ..DeadLetterFilter::default() };
    let letters = app.store.dead_letters(&filter, RowPage::first(10)).await.unwrap();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["too_complex", "missing_field"]);
    assert!(letters[0].error.contains("nested deeper than 127"), "{}", letters[0].error);
    assert!(letters[1].error.contains("payload.id"), "{}", letters[1].error);
    let equation = app.equation().await;
    assert!(equation.is_balanced() && equation.waiting == 0, "{equation:?}");
}

/// JSON text of a message's payload; `text` goes in as it is written in JSON.
fn message(id: &str, text: &str, timestamp: &str) -> String {
    let text = format!("\"{text}\"");
    format!(
        r#"{{"id": "false_12025550142@c.us_{id}", "timestamp": {timestamp},
            "from": "12025550142@c.us", "fromMe": false, "body": {text}}}"#
    )
}

async fn post_payload(app: &TestApp, payload: &str) {
    let envelope = json!({
        "timestamp": 1_794_000_000_000_i64, "event": "message", "session": "s", "payload": Value::Null,
    });
    let body = envelope.to_string().replace("null", payload);
    assert!(app.post(body).await.is_success());
}

async fn row(app: &TestApp, id: &str) -> entity::waha_messages::Model {
    let rows = entity::waha_messages::Entity::find().all(app.db()).await.unwrap();
    rows.into_iter().find(|row| row.message_id == id).unwrap_or_else(|| panic!("no row {id}"))
}

async fn texts(app: &TestApp, id: &str) -> String {
    row(app, id).await.content.unwrap_or_default()
}

async fn sent_at(app: &TestApp, id: &str) -> Option<String> {
    row(app, id).await.sent_at.map(|at| at.to_rfc3339())
}

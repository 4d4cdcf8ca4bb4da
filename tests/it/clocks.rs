//! A WAHA whose clock is wrong: what it tells is ordered by arrival, and it is told about. And old
//! bodies, which have no time of their own.

use reqwest::StatusCode;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use waha_ingest::admin::ProcessReport;
use waha_ingest::clock::Clock;
use waha_ingest::config::Config;
use waha_ingest::renormalize::Renormalizer;
use waha_ingest::store::operations::clocks::SourceClock;
use waha_ingest::store::operations::history::LedgerFilter;
use waha_ingest::store::operations::processes::{ProcessBeat, ProcessIdentity};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::{assert_equal, rows, without_ledger};

on_each_database!(
    a_clock_that_was_ahead_freezes_nothing_for_long,
    a_clock_is_behind_only_if_its_webhooks_stay_late,
    an_old_body_is_one_webhook_whatever_its_headers,
    a_process_that_ended_with_its_clock_ahead_is_not_heard_of_for_ever,
);

/// Years ahead, and what every database can store.
const AHEAD_MS: i64 = 2_000_000_000_000;
const HOUR_MS: i64 = 3_600_000;
/// What `TestApp`'s clock says.
const NOW_MS: i64 = 1_795_000_000_000;

/// A session's status, stamped by WAHA throughout.
fn status(status: &str, at_ms: i64) -> Value {
    let statuses = json!([{ "status": status, "timestamp": at_ms - 2 * 60_000 }]);
    json!({
        "id": format!("evt_{status}_{at_ms}"), "event": "session.status", "session": "shop",
        "timestamp": at_ms, "me": { "id": "12025550100@c.us", "pushName": status },
        "payload": { "name": "shop", "status": status, "statuses": statuses },
        "environment": { "engine": "NOWEB", "version": "2026.4.1" },
    })
}

/// A message stamped by WAHA throughout.
fn message(id: &str, at_ms: i64) -> Value {
    let payload = json!({
        "id": format!("false_12025550142@c.us_{id}"), "from": "12025550142@c.us", "fromMe": false,
        "timestamp": at_ms / 1000, "body": "hello",
    });
    json!({ "id": id, "event": "message", "session": "shop", "timestamp": at_ms, "payload": payload })
}

async fn session(app: &TestApp) -> entity::waha_sessions::Model {
    entity::waha_sessions::Entity::find().one(app.db()).await.unwrap().unwrap()
}

async fn a_clock_that_was_ahead_freezes_nothing_for_long(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.post_json(&status("FAILED", NOW_MS + 23 * HOUR_MS)).await;
    app.post_json(&message("AHEAD", NOW_MS + 23 * HOUR_MS)).await;
    app.work_until_idle().await;
    assert_eq!(session(&app).await.status.as_deref(), Some("FAILED"));

    // Read again from the ledger it is as new as it was.
    let before = rows(app.db()).await;
    let rules = Config::load_defaults().unwrap().rules;
    let renormalizer = Renormalizer { store: &app.store, rules: &rules, writes: true, rate: None };
    app.store.forget_ids();
    renormalizer.run(LedgerFilter::default(), |_| ()).await.unwrap();
    assert_equal(&without_ledger(before), &without_ledger(rows(app.db()).await));

    // The clock is set right.
    app.clock.advance(2 * HOUR_MS);
    app.post_json(&status("WORKING", NOW_MS + 2 * HOUR_MS)).await;
    app.post_json(&message("RIGHT", NOW_MS + 2 * HOUR_MS)).await;
    app.work_until_idle().await;
    let session = session(&app).await;
    assert_eq!(session.status.as_deref(), Some("WORKING"));
    assert_eq!(session.push_name.as_deref(), Some("WORKING"));
    let chat = entity::waha_chats::Entity::find().one(app.db()).await.unwrap().unwrap();
    let latest = chat.last_message_at.map(|at| at.timestamp_millis());
    assert_eq!(latest, Some(NOW_MS + 2 * HOUR_MS));

    assert_eq!(app.store.wrong_clocks().await.unwrap(), []);
    for number in 0..20 {
        app.post_json(&message(&number.to_string(), NOW_MS + 26 * HOUR_MS)).await;
    }
    app.work_until_idle().await;
    let ahead = SourceClock { source: "default".to_owned(), ahead_ms: 24 * HOUR_MS };
    assert_eq!(app.store.wrong_clocks().await.unwrap(), [ahead]);
}

/// Twenty messages, made so long before they arrive.
async fn come_late(app: &TestApp, name: &str, late_ms: i64) {
    use waha_ingest::clock::Clock;
    let at_ms = app.clock.now_ms() - late_ms;
    for number in 0..20 {
        app.post_json(&message(&format!("{name}{number}"), at_ms)).await;
    }
    app.work_until_idle().await;
}

async fn a_clock_is_behind_only_if_its_webhooks_stay_late(kind: Kind) {
    let app = TestApp::start(kind).await;
    // A history, or what waited while the network was away.
    come_late(&app, "HISTORY", 66 * 24 * HOUR_MS).await;
    assert_eq!(app.store.wrong_clocks().await.unwrap(), []);
    app.clock.advance(HOUR_MS);
    come_late(&app, "RETRIED", 2 * HOUR_MS).await;
    assert_eq!(app.store.wrong_clocks().await.unwrap(), []);
    // As late as before, an hour later.
    app.clock.advance(HOUR_MS);
    come_late(&app, "STILL", 2 * HOUR_MS + 3_000).await;
    let behind = SourceClock { source: "default".to_owned(), ahead_ms: -2 * HOUR_MS - 3_000 };
    assert_eq!(app.store.wrong_clocks().await.unwrap(), [behind]);
}

/// Bodies of 2024 and before have neither id nor time; only the body is signed.
async fn an_old_body_is_one_webhook_whatever_its_headers(kind: Kind) {
    let app = TestApp::start(kind).await;
    let payload = json!({
        "id": "false_12025550142@c.us_OLD", "from": "12025550142@c.us", "fromMe": false,
        "timestamp": 1_794_000_000, "body": "hello",
    });
    let body = json!({ "event": "message", "session": "shop", "payload": payload }).to_string();
    let sent = NOW_MS - 60_000;
    // WAHA's own retry, then two that somebody repeats.
    for (request_id, at_ms) in
        [("18a767", sent), ("18a767", sent), ("18a768", NOW_MS + 2 * HOUR_MS), ("", 1)]
    {
        let request = app.signed(body.clone()).header("x-webhook-request-id", request_id);
        let request = request.header("x-webhook-timestamp", at_ms.to_string());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert_eq!((equation.accepted, equation.applied, equation.duplicate), (4, 1, 3));
    let rows = entity::webhook_events::Entity::find().all(app.db()).await.unwrap();
    assert_eq!(rows[0].webhook_at.timestamp_millis(), sent);
}

async fn a_process_that_ended_with_its_clock_ahead_is_not_heard_of_for_ever(kind: Kind) {
    let app = TestApp::start(kind).await;
    let beat = async |instance: &str| {
        let process = ProcessIdentity {
            instance: instance.to_owned(),
            host: "host".to_owned(),
            pid: 1,
            role: "work",
            started_at: app.clock.now(),
        };
        app.store.beat(&process, &ProcessBeat::default()).await.unwrap();
    };
    let seen = async || {
        let rows = app.store.processes().await.unwrap();
        let reports = rows.iter().map(|row| ProcessReport::of_worker(row, app.clock.now_ms()));
        reports.collect::<Vec<ProcessReport>>()
    };
    app.clock.advance(AHEAD_MS - NOW_MS);
    beat("ahead").await;
    app.clock.advance(NOW_MS - AHEAD_MS);
    let told = seen().await;
    assert_eq!(told[0].seen_age_ms, None);
    assert!(told[0].line().contains("clock ahead"), "{}", told[0].line());

    beat("other").await;
    app.clock.advance(HOUR_MS);
    beat("other").await;
    let ages: Vec<Option<u64>> = seen().await.iter().map(|report| report.seen_age_ms).collect();
    assert_eq!(ages, [Some(HOUR_MS.unsigned_abs()), Some(0)], "its row gets old");
    app.clock.advance(24 * HOUR_MS);
    beat("other").await;
    assert_eq!(seen().await.len(), 1, "its row is gone");
}

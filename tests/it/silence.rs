//! Silent sessions, learnt from what came before, alike on each database.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use waha_ingest::clock::Clock;
use waha_ingest::http_client;
use waha_ingest::quiet_sessions::Silence;
use waha_ingest::webhook::source::sign;

use crate::app::{KEY, TestApp};
use crate::database::{Database, Kind, on_each_database};
use crate::process::Setting;
use crate::scrape::Scrape;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const FLOOR: Duration = Duration::from_hours(1);

on_each_database!(
    a_session_is_silent_after_more_than_its_usual_pause,
    an_interruption_is_no_pause,
    only_working_sessions_are_silent,
    what_waits_may_break_the_silence,
);

/// Something comes from a session.
async fn hear(app: &TestApp, session: &str) {
    let id = format!("{session}{}", app.clock.now_ms());
    app.post_json(&json!({ "id": id, "event": "message.any", "session": session, "payload": {
        "id": format!("true_4915100000000@c.us_{id}"), "from": "4915100000000@c.us",
        "to": "4915100000001@c.us", "fromMe": true, "timestamp": 1_750_000_000, "body": "hello",
    }}))
    .await;
}

async fn becomes(app: &TestApp, session: &str, status: &str) {
    let id = format!("{session}{status}{}", app.clock.now_ms());
    let payload = json!({ "name": session, "status": status });
    let body =
        json!({ "id": id, "event": "session.status", "session": session, "payload": payload });
    app.post_json(&body).await;
}

/// The names of the sessions that are silent now.
async fn silent(app: &TestApp) -> Vec<String> {
    app.work_until_idle().await;
    silent_until(app, app.clock.now()).await
}

async fn silent_until(app: &TestApp, until: DateTime<Utc>) -> Vec<String> {
    let silence = Silence::new(Arc::clone(&app.store), FLOOR);
    let found = silence.find(until).await.unwrap();
    // What was learnt the first time is told the second time.
    assert_eq!(silence.find(until).await.unwrap(), found);
    found.into_iter().map(|session| session.session).collect()
}

async fn a_session_is_silent_after_more_than_its_usual_pause(kind: Kind) {
    let app = TestApp::start(kind).await;
    for session in ["office", "busy"] {
        becomes(&app, session, "WORKING").await;
    }
    // An office pauses for 15 hours each night; the other never pauses for long.
    for _ in 0..2 {
        for hour in 0..24 {
            app.clock.advance(HOUR_MS / 2);
            hear(&app, "busy").await;
            app.clock.advance(HOUR_MS / 2);
            hear(&app, "busy").await;
            if hour < 10 {
                hear(&app, "office").await;
            }
        }
    }
    // The office was last heard 14 hours ago.
    assert_eq!(silent(&app).await, [""; 0]);
    app.clock.advance(HOUR_MS + MINUTE_MS);
    assert_eq!(silent(&app).await, ["busy"], "that is no more than usual by a quarter");
    app.clock.advance(4 * HOUR_MS);
    assert_eq!(silent(&app).await, ["busy", "office"]);
    hear(&app, "busy").await;
    assert_eq!(silent(&app).await, ["office"]);
}

async fn an_interruption_is_no_pause(kind: Kind) {
    let app = TestApp::start(kind).await;
    becomes(&app, "shop", "WORKING").await;
    app.clock.advance(MINUTE_MS);
    hear(&app, "shop").await;
    app.clock.advance(50 * HOUR_MS);
    becomes(&app, "shop", "STARTING").await;
    becomes(&app, "shop", "WORKING").await;
    app.clock.advance(2 * HOUR_MS);
    assert_eq!(silent(&app).await, ["shop"], "the 50 h were an interruption");
}

async fn only_working_sessions_are_silent(kind: Kind) {
    let app = TestApp::start(kind).await;
    for (session, status) in [("one", "STOPPED"), ("two", "FAILED"), ("three", "WORKING")] {
        becomes(&app, session, status).await;
    }
    hear(&app, "untold").await;
    app.clock.advance(2 * HOUR_MS);
    assert_eq!(silent(&app).await, ["three"]);
    let failed = app.store.failed_sessions().await.unwrap();
    assert_eq!(failed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["two"]);
}

async fn what_waits_may_break_the_silence(kind: Kind) {
    use waha_ingest::queue::Queue;
    let app = TestApp::start(kind).await;
    becomes(&app, "late", "WORKING").await;
    app.work_until_idle().await;
    app.clock.advance(HOUR_MS / 2);
    hear(&app, "late").await;
    app.clock.advance(2 * HOUR_MS);
    // Nobody has worked: what was heard is still queued.
    let until = app.queue.depth().await.unwrap().ended_until(app.clock.now_ms()).unwrap();
    assert_eq!(silent_until(&app, until).await, [""; 0]);
    app.work_until_idle().await;
    let until = app.queue.depth().await.unwrap().ended_until(app.clock.now_ms()).unwrap();
    assert_eq!(silent_until(&app, until).await, ["late"]);
}

/// What `status`, the API and the metric say of a session that was last heard years ago.
#[tokio::test(flavor = "multi_thread")]
async fn status_api_and_metric_agree() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let mut up = setting.up().await;
    for (session, status) in [("shop", "WORKING"), ("broken", "FAILED")] {
        let payload = json!({ "name": session, "status": status });
        let body = json!({ "event": "session.status", "session": session, "payload": payload });
        let signature = sign(&KEY.into(), body.to_string().as_bytes());
        let client = http_client::plain().build().unwrap();
        let request = client.post(setting.url()).header("x-webhook-hmac", signature);
        request.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
    }
    setting.settled(PATIENCE).await;
    up.kill();
    let db = database.connect().await;
    db.execute_unprepared("UPDATE webhook_events SET received_at = '2020-01-01T00:00:00+00:00'")
        .await
        .unwrap();
    let status = setting.status();
    assert_eq!(status["silent_sessions"][0]["session"], "shop", "{status}");
    assert_eq!(status["failed_sessions"][0]["session"], "broken", "{status}");
    let text = String::from_utf8(setting.run(&["status"]).stdout).unwrap();
    assert!(
        text.contains("silent: default/shop") && text.contains("failed: default/broken"),
        "{text}"
    );
    // The first look after a start counts.
    let _up = setting.up().await;
    let scrape = wait_for("silence in the metrics", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        (scrape.get("waha_ingest_silent_sessions", &[]) == Some(1.0)).then_some(scrape)
    })
    .await;
    let by_status = |status| scrape.get("waha_ingest_sessions", &[("status", status)]);
    assert_eq!((by_status("WORKING"), by_status("FAILED")), (Some(1.0), Some(1.0)));
    let url = format!("http://127.0.0.1:{}/api/v1/sessions", setting.admin_port);
    let client = http_client::plain().build().unwrap();
    let told: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    let named = |flag: &str| {
        let sessions = told["sessions"].as_array().unwrap().iter();
        sessions
            .filter(|it| it[flag] == true)
            .filter_map(|it| it["name"].as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!((named("silent"), named("failed")), (vec!["shop"], vec!["broken"]), "{told}");
}

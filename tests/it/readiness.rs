//! `/readyz` says whether a webhook could be made durable now, and what stands in the way.

use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

async fn readiness(setting: &Setting<'_>) -> (StatusCode, Value) {
    let client = http_client::plain().build().unwrap();
    let url = format!("http://127.0.0.1:{}/readyz", setting.admin_port);
    let answer = client.get(url).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn becomes_unready(setting: &Setting<'_>, what: &str) -> Value {
    wait_for(what, PATIENCE, || async {
        let (status, told) = readiness(setting).await;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(told)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_closes_the_door_and_says_since_when() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment = vec![("WAHA_INGEST__QUEUE__BYTES_MAX", "1048576".to_owned())];
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let (_, ready) = readiness(&setting).await;
    assert_eq!((&ready["ready"], &ready["draining"]), (&json!(true), &json!(false)));
    assert_eq!(ready["dependencies"]["queue"]["state"], "up");
    let client = http_client::plain().build().unwrap();
    let body = json!({ "event": "message", "session": "s", "filler": "x".repeat(10_000) });
    let (body, mut accepted) = (body.to_string(), 0);
    loop {
        let signature = sign(&KEY.into(), body.as_bytes());
        let request = client.post(setting.url()).header("x-webhook-hmac", signature);
        let answer = request.body(body.clone()).send().await.unwrap().status();
        if answer == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        accepted += 1;
        assert!(accepted < 200, "it never fills");
    }
    let unready = becomes_unready(&setting, "a door that is closed").await;
    let queue = &unready["dependencies"]["queue"];
    assert_eq!(queue["state"], "down", "{unready}");
    assert_ne!(queue["since"], ready["dependencies"]["queue"]["since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_finishes_what_it_began_and_takes_nothing_new() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let up = setting.up().await;
    let body = json!({ "event": "message", "session": "s" }).to_string();
    let (begin, end) = body.split_at(10);
    let mut sender = TcpStream::connect(("127.0.0.1", setting.port)).await.unwrap();
    let head = format!(
        "POST /webhooks/default HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
         x-webhook-hmac: {}\r\n\r\n{begin}",
        body.len(),
        sign(&KEY.into(), body.as_bytes())
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    // Another request on the same listener is answered only after the head of this one was read.
    let client = http_client::plain().build().unwrap();
    client.get(setting.url()).send().await.unwrap();
    up.signal("-TERM");
    let unready = becomes_unready(&setting, "a process that drains").await;
    assert_eq!(unready["draining"], true, "{unready}");
    sender.write_all(end.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    sender.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 202");
}

/// A ping would say that all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_answers_and_takes_no_rows_is_down() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Postgres).await);
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let _work = setting.spawn(&["work"]);
    setting.answers("readyz").await;
    let name = database.url.split('/').next_back().unwrap().split('?').next().unwrap();
    // Our own sessions begin as the database says by then, so each change says that it writes.
    let change = |what: String| format!("BEGIN READ WRITE; {what}; COMMIT");
    let read_only = |how: &str| {
        change(format!("ALTER DATABASE {name} SET default_transaction_read_only = {how}"))
    };
    let rename = |from: &str, to: &str| change(format!("ALTER TABLE {from} RENAME TO {to}"));
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for (strike, mend, code) in [
        (read_only("on"), read_only("off"), "25006"),
        (rename("waha_labels", "hidden"), rename("hidden", "waha_labels"), "42P01"),
    ] {
        db.execute_unprepared(&strike).await.unwrap();
        db.execute_unprepared(others).await.unwrap();
        let unready = becomes_unready(&setting, "a worker that can't write").await;
        let told = &unready["dependencies"]["database"];
        assert_eq!(told["state"], "down", "{unready}");
        let failure = told["last_use"]["failure"].as_str().unwrap_or_default();
        assert!(failure.contains(code), "{unready}");
        db.execute_unprepared(&mend).await.unwrap();
        db.execute_unprepared(others).await.unwrap();
        setting.answers("readyz").await;
    }
}

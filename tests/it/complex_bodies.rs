//! Signed bodies that would build millions of values: they end as dead letters, which say so however
//! often they are read, and no process grows by what they would build.

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::Setting;

const PATIENCE: Duration = Duration::from_secs(300);
/// As large as the door takes.
const BODY_BYTES: usize = 8_388_608;
/// Bodies sent.
const COUNT: usize = 4;
/// What a process that reads bombs may need beyond one that reads as much plain text: less than half
/// of what a single one of them would build.
const MORE_BYTES_MAX: u64 = 48 << 20;

/// An envelope of [`BODY_BYTES`] whose payload is `start`, `unit` again and again, `end`.
fn body(number: usize, [start, unit, end]: [&str; 3]) -> String {
    let head =
        format!(r#"{{"id":"evt_{number}","event":"message","session":"shop","payload":{start}"#);
    let tail = format!("{end}}}");
    let count = (BODY_BYTES - head.len() - tail.len()) / unit.len();
    head + &unit.repeat(count) + &tail
}

/// What one process does with such bodies: how far it grew, and its dead letters by reason.
async fn grown_by(payload: [&str; 3]) -> (u64, Value) {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let up = setting.up().await;
    let before = up.peak_memory_bytes();
    let client = http_client::plain().build().unwrap();
    for number in 0..COUNT {
        let body = body(number, payload);
        let signature = sign(&SecretString::from(KEY), body.as_bytes());
        let request = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["dead_lettered"], COUNT, "{status}");
    let grown = up.peak_memory_bytes() - before;
    // Read once more, by another process.
    let group = status["dead_letter_groups"][0]["group"].as_str().unwrap().to_owned();
    let replayed = setting.run(&["dead-letters", "replay", "--group", &group, "--dry-run"]);
    let would_end = String::from_utf8_lossy(&replayed.stdout).into_owned()
        + &String::from_utf8_lossy(&replayed.stderr);
    let reason = status["dead_letter_groups"][0]["reason"].as_str().unwrap();
    assert!(would_end.contains(reason), "{would_end}");
    (grown, status["dead_letter_groups"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_does_not_grow_by_what_a_body_would_build() {
    // A message without an id is a dead letter as well, and its text builds nothing.
    let (plain, groups) = grown_by([r#"{"body":""#, "x", r#""}"#]).await;
    assert_eq!(groups[0]["reason"], "missing_field");
    for payload in [["[", "[],", "0]"], [r#"[{"a":{}}"#, r#",{"":0}"#, "]"]] {
        let (bombs, groups) = grown_by(payload).await;
        assert_eq!(groups[0]["reason"], "too_complex");
        assert!(bombs < plain + MORE_BYTES_MAX, "{bombs} bytes, and {plain} without values");
    }
}

//! The walk at 3 a.m. of `deploy/RUNBOOK.md`: each row's situation is made, its commands are run, and they
//! say what the row says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::Sent;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::disk::{Disk, SmallDisk};
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const RUNBOOK: &str = include_str!("../../deploy/RUNBOOK.md");
const NO_DATABASE: &str = "postgres://me:hush@127.0.0.1:1/shop?sslmode=disable";
const NO_BROKER: &str = "amqp://me:hush@127.0.0.1:1/%2f";

/// A row of the walk: commands, each with what it says.
struct Row([(Vec<String>, Vec<String>); 2]);

impl Row {
    fn of(situation: &str) -> Self {
        let walk = RUNBOOK.split("## At 3 a.m.").nth(1).unwrap().split("\n## ").next().unwrap();
        let row = walk.lines().find(|line| line.starts_with(&format!("| {situation} |")));
        let cells: Vec<&str> = row.unwrap_or_else(|| panic!("{situation}")).split('|').collect();
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let command = |cell: &str| {
            let words = quoted(cell).pop().unwrap();
            words.split(' ').map(str::to_owned).collect::<Vec<_>>()
        };
        Self(
            [(cells[2], cells[3]), (cells[4], cells[5])]
                .map(|(run, says)| (command(run), quoted(says))),
        )
    }

    fn check(&self, setting: &Setting<'_>) {
        self.check_in(setting, setting.folder);
    }

    fn check_in(&self, setting: &Setting<'_>, folder: &Path) {
        for (arguments, says) in &self.0 {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command: Command = setting.command(&arguments);
            let output = command.current_dir(folder).output().unwrap();
            let all = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&all);
            for part in says {
                assert!(text.contains(part), "{arguments:?} does not say {part:?}: {text}");
            }
            assert!(!text.contains("hush"), "{text}");
        }
    }
}

async fn post(setting: &Setting<'_>, body: &Value, key: &str) -> StatusCode {
    let body = body.to_string();
    let signature = sign(&SecretString::from(key), body.as_bytes());
    let client = http_client::plain().build().unwrap();
    let request = client.post(setting.url()).header(HMAC_HEADER, signature).body(body);
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn database_broker_or_both_are_away() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), NO_DATABASE);
    let serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    Row::of("The database is away").check(&setting);
    drop(serve);

    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(Kind::Sqlite).await;
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(NO_BROKER.to_owned());
    assert!(setting.run(&["migrate", "up"]).status.success());
    let serve = setting.spawn(&["serve"]);
    setting.answers("livez").await;
    Row::of("The broker is away").check(&setting);
    setting.database_url = NO_DATABASE;
    Row::of("Both are away").check(&setting);
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_full() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Postgres).await);
    let disk = SmallDisk::mount(folder.path().join("data"), 4 << 20);
    let setting = Setting::new(folder.path(), &database.url);
    let up = setting.up().await;
    disk.fail();
    let body = json!({ "event": "message", "session": "shop", "filler": "x".repeat(50_000) });
    wait_for("a refusal", PATIENCE, || async {
        (post(&setting, &body, KEY).await == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    Row::of("The disk is full").check(&setting);
    drop(up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_a_wrong_folder_and_nobody_who_works() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut up = setting.up().await;
    let body = json!({ "event": "message", "session": "shop" });
    assert_eq!(post(&setting, &body, "another key").await, StatusCode::UNAUTHORIZED);
    Row::of("WAHA signs with another key").check(&setting);
    let elsewhere = tempfile::tempdir().unwrap();
    Row::of("The wrong folder").check_in(&setting, elsewhere.path());
    let made: Vec<_> = std::fs::read_dir(elsewhere.path()).unwrap().collect();
    assert!(made.is_empty(), "a look made {made:?}");
    setting.settled(PATIENCE).await;

    assert_eq!(up.terminate(), Some(0));
    let serve = setting.spawn(&["serve"]);
    setting.answers("livez").await;
    assert_eq!(post(&setting, &body, KEY).await, StatusCode::ACCEPTED);
    Row::of("No worker runs").check(&setting);
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_failed_and_many_fail_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), "");
    setting.environment = vec![("WAHA_INGEST__RETRY__DELAYS_MS", "3600000".to_owned())];
    let up = setting.up().await;
    let failed = json!({
        "id": "evt_1", "timestamp": 1_794_000_000_000_i64, "event": "session.status",
        "session": "shop", "payload": { "name": "shop", "status": "FAILED" },
    });
    assert_eq!(post(&setting, &failed, KEY).await, StatusCode::ACCEPTED);
    let alike = |number: usize| Sent {
        event_type: "message",
        session: "berlin".to_owned(),
        webhook_id: Some(format!("evt_{number}")),
        at_ms: 1_794_000_000_000,
        body: json!({ "id": format!("evt_{number}"), "event": "message", "session": "berlin" })
            .to_string()
            .into_bytes(),
        request_id: format!("request-{number}"),
    };
    let sent = send_all(setting.sending(16), (0..1000).map(alike), || ()).await.unwrap();
    assert_eq!(sent.accepted, 1000);
    setting.settled(PATIENCE * 3).await;
    Row::of("A session failed").check(&setting);
    Row::of("1,000 dead letters of one cause").check(&setting);
    Row::of("Webhooks fail again and again").0[0].1.iter().for_each(|says| {
        let output = setting.run(&["status"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(says), "{says}");
    });
    drop(up);
}

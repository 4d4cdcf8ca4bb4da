//! What `check` and `status` say where only a part of everything is: in a pod of `serve`, which has no
//! tables, and in one of `work`, which has no source. Who looks makes nothing.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::prefix;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const UNSEEN: &str = "database.url is not set beside a broker";

/// With the shared broker; `database_url` may be empty.
fn setting<'a>(folder: &'a Path, database_url: &'a str) -> Setting<'a> {
    let mut setting = Setting::new(folder, database_url);
    setting.queue_url = Some(std::env::var("TEST_AMQP_URL").expect("run tests/run"));
    let file = folder.join("waha-ingest.toml");
    std::fs::write(file, format!("queue.prefix = \"{}\"", prefix())).unwrap();
    setting
}

fn files(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("data")).into_iter().flatten();
    let mut names: Vec<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The same beside a queue that is a file: the tables are made by the first worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_worker_tells_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    assert!(String::from_utf8_lossy(&setting.run(&["status"]).stderr).contains("nothing here"));
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let webhooks = history(&Plan { seed: 3, ..Plan::default() }).take(5);
    send_all(setting.sending(1), webhooks, || ()).await.unwrap();
    let output = setting.run(&["status"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    for part in [
        "accepted 5, waiting 5",
        "has no waha.db yet: no worker has run here",
        "no worker has been seen for a minute, and 5 wait: start `waha-ingest up` or `work`",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert!(!folder.path().join("data/waha.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_alone_says_what_it_cannot_see_and_looks_at_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path(), "");
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let webhooks = history(&Plan { seed: 3, ..Plan::default() }).take(5);
    let report = send_all(setting.sending(1), webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, 5);
    // Left by somebody else, and no database at all.
    let left = folder.path().join("data/waha.db");
    std::fs::write(&left, "somebody's").unwrap();
    let before = files(folder.path());
    let check = setting.run(&["check"]);
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("unknown database: {UNSEEN}")), "{told}");
    let status = wait_for("the count of the door", PATIENCE, || async {
        let output = setting.run(&["status", "--json"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        (status["accepted"] == 5).then_some(status)
    })
    .await;
    assert!(status["balanced"].is_null() && status["applied"].is_null(), "{status}");
    let unseen = status["unseen"].as_str().unwrap();
    for word in [UNSEEN, "applied", "duplicate", "ignored", "dead-lettered"] {
        assert!(unseen.contains(word), "{word}: {unseen}");
    }
    let ready: u64 =
        status["lanes"].as_array().unwrap().iter().map(|it| it["ready"].as_u64().unwrap()).sum();
    assert_eq!(ready, 5, "{status}");
    let text = setting.run(&["status"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains(&format!("not seen: {UNSEEN}")));
    for arguments in [&["dead-letters", "list"][..], &["consumers", "list"], &["audit", "list"]] {
        let output = setting.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && error.contains(UNSEEN),
            "{arguments:?}: {error}"
        );
        let remedy = "set database.url = \"sqlite://./data/waha.db\" for it and for commands";
        assert!(error.contains(remedy), "{arguments:?}: {error}");
    }
    assert_eq!(files(folder.path()), before, "somebody made something");
    assert_eq!(std::fs::read_to_string(left).unwrap(), "somebody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_of_a_worker_needs_no_source() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = setting(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    let without_source = |setting: &Setting<'_>| {
        let mut command = setting.command(&["check"]);
        command.env_remove("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, told) = without_source(&setting);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("`work` needs none"), "{told}");
    let door = Setting { database_url: "", ..setting };
    let (code, told) = without_source(&door);
    assert_eq!(code, Some(1), "a door can't do without: {told}");
}

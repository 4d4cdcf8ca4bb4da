//! `spool drain`: what a door that is gone has left in its spool gets to the broker, once.

use std::path::Path;
use std::time::Duration;

use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::cli;
use crate::database::{Database, Kind};
use crate::process::{Setting, ended};
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const COUNT: usize = 200;

/// Without its database and its source: neither is needed.
fn drain(setting: &Setting<'_>, spool: &Path) -> (Option<i32>, String) {
    let url = setting.queue_url.as_deref().unwrap();
    let settings = [("QUEUE__URL", url), ("DATA_DIR", "elsewhere")];
    let spool = spool.to_str().unwrap();
    let output = cli::run(setting.folder, &settings, &["spool", "drain", "--spool", spool]);
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_door_left_is_applied_once() {
    let node = Node::start();
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Postgres).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    assert!(setting.run(&["migrate", "up"]).status.success());
    let spool = folder.path().join("data/spool.db");
    let mut serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    node.does("kill");
    let webhooks = history(&Plan { seed: 5, ..Plan::default() }).take(COUNT);
    let report = send_all(setting.sending(4), webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, COUNT as u64, "intake goes on");
    let (code, told) = drain(&setting, &spool);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("in use by another process"), "{told}");
    serve.kill();
    stops_when_told(&setting, &spool).await;
    node.does("resume");
    let (code, told) = drain(&setting, &spool);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("{COUNT} webhooks were published")), "{told}");
    assert!(drain(&setting, &spool).1.contains("0 webhooks were published"), "nothing is left");
    assert!(!folder.path().join("elsewhere").exists(), "a folder was made");
    let _work = setting.spawn(&["work"]);
    wait_for("all applied", PATIENCE, || async {
        (ended(&setting.status()) == COUNT as u64).then_some(())
    })
    .await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["accepted"], COUNT, "{status}");
    assert_eq!((&status["duplicate"], &status["dead_lettered"]), (&0.into(), &0.into()));
}

/// While the broker is away it waits; told to stop, it says what is left.
async fn stops_when_told(setting: &Setting<'_>, spool: &Path) {
    let mut draining = setting.spawn(&["spool", "drain", "--spool", spool.to_str().unwrap()]);
    let lock = spool.with_file_name("door.lock");
    wait_for("the folder to be taken", PATIENCE, || async {
        let holder = std::fs::read_to_string(&lock).unwrap();
        (holder.trim() == draining.id().to_string()).then_some(())
    })
    .await;
    assert_eq!(draining.terminate(), Some(1));
    let log = std::fs::read_to_string(setting.folder.join("log")).unwrap();
    assert!(log.contains(&format!("stopped: {COUNT} webhooks are still in")), "{log}");
}

#[test]
fn there_must_be_a_spool_and_a_broker() {
    let folder = tempfile::tempdir().unwrap();
    let away = ("QUEUE__URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    for (settings, is_right) in [(&[away][..], "nothing here"), (&[], "names no broker")] {
        let output = cli::run(folder.path(), settings, &["spool", "drain"]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(is_right), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it made something");
    }
}

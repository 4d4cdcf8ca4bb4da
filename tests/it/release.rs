//! What a rollout relies on: the health check of an image, and workers that wait for their schema.

use std::time::Duration;

use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_asks_the_running_process() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(Kind::Sqlite).await;
    let setting = Setting::new(folder.path(), &database.url);
    let nobody = setting.run(&["check", "--ready"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("admin.listen"));
    let mut process = setting.up().await;
    let healthy = setting.run(&["check", "--ready"]);
    assert_eq!(healthy.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&healthy.stdout).contains("\"ready\":true"));
    assert_eq!(process.terminate(), Some(0));
    assert_eq!(setting.run(&["check", "--ready"]).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_release_takes_webhooks_in_and_works_once_the_schema_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(Kind::Postgres).await;
    let setting = Setting::new(folder.path(), &database.url);
    let _process = setting.spawn(&["up"]);
    setting.answers("livez").await;
    let sent = setting.run(&["simulate", "--count", "50", "--url", &setting.url()]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    wait_for("the log to say what is missing", PATIENCE, || async {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.contains("migrations are missing").then_some(())
    })
    .await;
    assert!(setting.run(&["migrate", "up"]).status.success());
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["accepted"], &status["dead_lettered"]), (&50.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_ready_once_the_schema_of_its_release_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(Kind::Postgres).await;
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    assert!(setting.run(&["migrate", "down", "--steps", "1", "--yes"]).status.success());
    let _process = setting.spawn(&["work"]);
    setting.answers("livez").await;
    let check = setting.run(&["check", "--ready"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains("\"waits_for_schema\":true"));
    assert!(setting.run(&["migrate", "up"]).status.success());
    setting.answers("readyz").await;
}

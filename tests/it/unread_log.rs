//! Nobody reads the log: a terminal that was stopped, a collector that hangs. The door goes on, the worker too,
//! and the process ends when it is told to.

use std::time::{Duration, Instant};

use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Families, Plan, history};

use crate::database::{Database, Kind};
use crate::process::{Process, Setting};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_reader_of_the_log() {
    let database = Database::create(Kind::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    // More than a pipe holds, within the first webhooks.
    setting.environment.push(("RUST_LOG", "trace".to_owned()));
    let mut process = Process::with_unread_log(setting.command(&["up", "--migrate"]));
    setting.answers("readyz").await;

    let plan = Plan { messages: 200, families: Families::ALL, ..Plan::default() };
    let all = send_all(setting.sending(4), history(&plan), || ());
    let report = tokio::time::timeout(PATIENCE, all).await.expect("answers").unwrap();
    assert_eq!((report.accepted, report.lost), (report.sent, 0));
    setting.settled(PATIENCE).await;
    assert!(lines_lost(&setting).await > 0.0);
    process.signal("-TERM");
    let started = Instant::now();
    while !process.has_ended() {
        assert!(started.elapsed() < PATIENCE, "it does not end");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn lines_lost(setting: &Setting<'_>) -> f64 {
    let url = format!("http://127.0.0.1:{}/metrics", setting.admin_port);
    let client = waha_ingest::http_client::plain().build().unwrap();
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let lost = text.lines().find_map(|line| line.strip_prefix("waha_ingest_log_lines_lost "));
    lost.unwrap().parse().unwrap()
}

//! The broker's password changes under load, as Kubernetes mounts it: the URLs are in a file that is
//! replaced. No webhook is rejected or lost, no process is started anew, and the old connections close.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::Node;
use crate::rotating::replace;
use crate::rows::count;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
const COUNT: usize = 1_500;
const RATE: f64 = 50.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_taken_over_under_load() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    node.control(&["add_user", "waha", "old-hush"]);
    node.control(&["set_permissions", "waha", ".*", ".*", ".*"]);
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let url_file = folders[0].path().join("urls");
    let url = |password: &str| node.url().replace("guest:guest", &format!("waha:{password}"));
    replace(&url_file, &url("old-hush"));
    let settings = folders.each_ref().map(|folder| setting(folder, &database, &url_file));
    let mut running = Vec::new();
    for (setting, role) in settings.iter().zip(["serve", "work"]) {
        running.push(setting.spawn(&[role]));
        setting.answers("readyz").await;
    }
    let plan = Plan { seed: 9, messages: 2_000, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
    let sending = tokio::spawn(send_all(
        Sending { rate: Some(RATE), ..settings[0].sending(8) },
        webhooks.into_iter(),
        || (),
    ));
    let db = database.connect().await;
    wait_for("load", PATIENCE, || async {
        (count(&db, "webhook_events").await > 50).then_some(())
    })
    .await;
    let before = connections(&node);
    assert!(!before.is_empty());
    // A file that names a password which the broker does not know yet keeps the old connections.
    replace(&url_file, &url("new-hush"));
    for setting in &settings {
        logs(setting, "can't be used yet").await;
    }
    node.control(&["change_password", "waha", "new-hush"]);
    for setting in &settings {
        logs(setting, "connected by the changed URLs").await;
    }
    wait_for("the old connections to close", PATIENCE, || async {
        connections(&node).iter().all(|pid| !before.contains(pid)).then_some(())
    })
    .await;
    let report = sending.await.unwrap().unwrap();
    assert_eq!((report.accepted, report.refused), (report.sent, 0), "{report:?}");
    wait_for("all in the ledger", PATIENCE, || async {
        (count(&db, "webhook_events").await == i64::try_from(COUNT).unwrap()).then_some(())
    })
    .await;
    assert_eq!(count(&db, "webhook_duplicates").await, 0);
    for setting in &settings {
        let log = std::fs::read_to_string(setting.folder.join("log")).unwrap();
        assert!(!log.contains("new-hush") && !log.contains("old-hush"), "{log}");
    }
}

fn setting<'a>(folder: &'a TempDir, database: &'a Database, url_file: &Path) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), &database.url);
    let file = url_file.display().to_string();
    setting.environment = vec![("WAHA_INGEST__QUEUE__URL_FILE", file)];
    setting
}

async fn logs(setting: &Setting<'_>, text: &str) {
    wait_for(text, PATIENCE, || async {
        std::fs::read_to_string(setting.folder.join("log")).unwrap().contains(text).then_some(())
    })
    .await;
}

/// The broker's names of connections.
fn connections(node: &Node) -> Vec<String> {
    let told = node.told(&["-q", "list_connections", "pid", "user"]);
    let ours = told.lines().filter(|line| line.ends_with("waha"));
    ours.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

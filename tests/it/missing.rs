//! What `status` says of webhooks that an operator purges from the broker, and of those that a frozen,
//! killed or older worker may have in hand: missing only what is known to be.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::Value;
use tempfile::TempDir;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::database::{Database, Kind};
use crate::process::{Process, Setting, ended};
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);

/// A broker of its own, a door, and a database that is migrated.
struct Site {
    node: Node,
    database: Database,
    db: DatabaseConnection,
    folders: [TempDir; 2],
}

impl Site {
    async fn start() -> Self {
        let database = Database::create(Kind::Postgres).await;
        let db = database.connect().await;
        migration::up(&db).await.unwrap();
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Self { node: Node::start(), database, db, folders }
    }

    fn setting(&self, folder: usize) -> Setting<'_> {
        let mut setting = Setting::new(self.folders[folder].path(), &self.database.url);
        setting.queue_url = Some(self.node.url().to_owned());
        setting
    }

    async fn run(&self, folder: usize, role: &str) -> (Setting<'_>, Process) {
        let setting = self.setting(folder);
        let process = setting.spawn(&[role]);
        setting.answers("readyz").await;
        (setting, process)
    }

    /// Nobody can write messages any more; whoever has them in hand keeps them.
    async fn hold_messages(&self) {
        self.db.execute_unprepared("ALTER TABLE waha_messages RENAME TO hidden").await.unwrap();
    }

    async fn let_messages_go(&self) {
        self.db.execute_unprepared("ALTER TABLE hidden RENAME TO waha_messages").await.unwrap();
    }
}

async fn post(setting: &Setting<'_>, seed: u64, count: usize) {
    let sending = setting.sending(8);
    let plan = Plan { seed, ..Plan::default() };
    let report = send_all(sending, history(&plan).take(count), || ()).await.unwrap();
    assert_eq!(report.accepted, count as u64);
}

/// The status, and its exit code.
fn status(setting: &Setting<'_>) -> (Value, Option<i32>) {
    let output = setting.run(&["status", "--json"]);
    let told = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (told, output.status.code())
}

async fn becomes(setting: &Setting<'_>, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, PATIENCE, || async {
        let (told, code) = status(setting);
        let expected = match told["balanced"].as_bool() {
            Some(true) => 0,
            Some(false) => 1,
            None => 3,
        };
        assert_eq!(code, Some(expected), "{told}");
        is_so(&told).then_some(told)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_purges_is_missing_until_it_is_settled() {
    let site = Site::start().await;
    let (serve, _serving) = site.run(0, "serve").await;
    post(&serve, 1, 300).await;
    for lane in ["sessions", "messages", "calls", "chats"] {
        site.node.control(&["purge_queue", &format!("waha.{lane}")]);
    }
    let (_work, mut working) = site.run(1, "work").await;
    let missing = becomes(&serve, "missing webhooks", |told| told["balanced"] == false).await;
    assert_eq!(missing["missing"], 300, "{missing}");
    // The others go on, and the missing stay told.
    post(&serve, 2, 100).await;
    let later = becomes(&serve, "the others applied", |told| {
        ended(told) == 100 && told["balanced"] == false
    })
    .await;
    assert_eq!(later["missing"], 300, "{later}");
    let settle = serve.run(&["status", "settle", "--yes", "--note", "purged"]);
    assert!(settle.status.success(), "{}", String::from_utf8_lossy(&settle.stderr));
    let settled = becomes(&serve, "a settled status", |told| told["balanced"] == true).await;
    assert_eq!((&settled["lost"], &settled["missing"]), (&300.into(), &0.into()), "{settled}");
    let audit = String::from_utf8(serve.run(&["audit", "list", "--json"]).stdout).unwrap();
    assert!(audit.contains("\"settle\"") && audit.contains("purged"), "{audit}");
    assert_eq!(working.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_or_killed_worker_has_in_hand_is_never_missing() {
    let site = Site::start().await;
    let (serve, _serving) = site.run(0, "serve").await;
    let (_work, mut working) = site.run(1, "work").await;
    site.hold_messages().await;
    post(&serve, 1, 200).await;
    becomes(&serve, "webhooks in hand", |told| told["waiting"] == 0).await;
    working.signal("-STOP");
    let (told, code) = status(&serve);
    let is_given_back = told["waiting"] != 0;
    assert!(is_given_back || (told["balanced"].is_null() && code == Some(3)), "{told}");
    // The broker takes its connections for broken after some seconds.
    let there = wait_for("webhooks given back", PATIENCE, || async {
        let (told, _) = status(&serve);
        assert!(told["balanced"] != false && told["missing"] == 0, "{told}");
        // Other lanes than that of the messages were applied, or not.
        let is_known = told["waiting"].as_u64()? + ended(&told) == 200;
        (is_known && told["balanced"] == true).then_some(told)
    })
    .await;
    assert_eq!(there["uncertain"], 0, "{there}");
    working.kill();
    site.let_messages_go().await;
    let (_work, _working) = site.run(1, "work").await;
    let applied = becomes(&serve, "all applied", |told| ended(told) == 200).await;
    assert_ne!(applied["balanced"], false, "{applied}");
    becomes(&serve, "a balance", |told| told["balanced"] == true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_beat_may_have_it_in_hand() {
    let site = Site::start().await;
    let (serve, _serving) = site.run(0, "serve").await;
    // As a release before the beats: it works, and no row tells of it.
    let mute = "CREATE RULE mute AS ON INSERT TO waha_processes DO INSTEAD NOTHING";
    site.db.execute_unprepared(mute).await.unwrap();
    let (_work, _working) = site.run(1, "work").await;
    site.hold_messages().await;
    post(&serve, 1, 50).await;
    let told = becomes(&serve, "webhooks in hand", |told| told["waiting"] == 0).await;
    assert!(told["balanced"].is_null(), "{told}");
    let (told, _) = status(&serve);
    let reason = told["reason"].as_str().unwrap_or_default();
    assert!(told["balanced"].is_null() && reason.contains("does not beat"), "{told}");
    site.let_messages_go().await;
    becomes(&serve, "a balance", |told| told["balanced"] == true && ended(told) == 50).await;
}

//! `SQLite` files that somebody removes, moves or replaces while a process uses them: nothing that was
//! accepted goes to a file that nothing leads to any more, and what can't be known is told as that.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use rusqlite::Connection;
use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::queue::Queue;
use waha_ingest::queue::sqlite::SqliteQueue;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};
use waha_ingest::webhook::{Webhook, WebhookParts};

use crate::cli;
use crate::database::{Database, Kind};
use crate::process::{Setting, ended};
use crate::queue_damage::file::{QueueFile, webhook, with_suffix};
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const ALL: [&str; 3] = ["", "-wal", "-shm"];

fn remove(path: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        fs::remove_file(with_suffix(path, suffix)).unwrap();
    }
}

/// Other names for the files, so that they can be put back.
fn link(path: &Path, to: &Path) {
    for suffix in ALL {
        fs::hard_link(with_suffix(path, suffix), with_suffix(to, suffix)).unwrap();
    }
}

fn put_back(from: &Path, path: &Path) {
    for suffix in ALL {
        fs::rename(with_suffix(from, suffix), with_suffix(path, suffix)).unwrap();
    }
}

async fn publish(queue: &SqliteQueue, numbers: std::ops::Range<usize>) {
    for number in numbers {
        queue.publish(webhook(number)).await.unwrap();
    }
}

/// Until the path leads to another file than this one.
async fn is_written_anew(path: &Path, before: u64) {
    wait_for("a queue file that was written anew", PATIENCE, || async {
        fs::metadata(path).ok().filter(|file| file.ino() != before).map(drop)
    })
    .await;
}

/// What a process that is killed now leaves.
async fn assert_left(file: &QueueFile, accepted: u64) {
    let census = file.copy().open().census().await.unwrap();
    assert_eq!((census.accepted, census.waiting), (accepted, accepted));
    assert_eq!(census.unsure_ms, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_file_that_is_removed_is_written_anew_with_all_that_was_in_it() {
    for suffixes in [&ALL[..], &["-wal"], &["-shm"], &["-wal", "-shm"], &[""]] {
        let file = QueueFile::new();
        let queue = file.open();
        publish(&queue, 0..60).await;
        let before = fs::metadata(file.path()).unwrap().ino();
        remove(&file.path(), suffixes);
        // Nobody publishes, and the process may be killed as well.
        is_written_anew(&file.path(), before).await;
        assert_left(&file, 60).await;
        publish(&queue, 60..70).await;
        assert_left(&file, 70).await;
        assert_eq!(queue.depth().await.unwrap().total(), 70);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_file_that_is_replaced_by_an_older_one_is_put_back() {
    let file = QueueFile::new();
    let queue = file.open();
    publish(&queue, 0..10).await;
    let older = file.copy();
    publish(&queue, 10..30).await;
    let before = fs::metadata(older.path()).unwrap().ino();
    fs::rename(older.path(), file.path()).unwrap();
    is_written_anew(&file.path(), before).await;
    assert_left(&file, 30).await;
    let names = fs::read_dir(file.folder.path()).unwrap();
    let kept =
        names.filter(|it| it.as_ref().unwrap().path().display().to_string().contains(".replaced-"));
    assert!(kept.count() >= 1, "nothing is thrown away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_moved_away_and_back_goes_on() {
    let file = QueueFile::new();
    let queue = file.open();
    publish(&queue, 0..10).await;
    let away = with_suffix(file.folder.path(), ".away");
    fs::rename(file.folder.path(), &away).unwrap();
    assert!(queue.publish(webhook(10)).await.is_err());
    assert!(queue.probe().await.is_err());
    fs::rename(&away, file.folder.path()).unwrap();
    publish(&queue, 11..20).await;
    assert_left(&file, 19).await;
}

/// More than the connections keep in memory.
fn large(number: usize) -> Webhook {
    let parts = webhook(number).parts().clone();
    WebhookParts { body: Bytes::from(vec![b'x'; 4 << 20]), ..parts }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_written_anew_is_told_as_not_known() {
    let file = QueueFile::new();
    let queue = file.open();
    for number in 0..20 {
        queue.publish(large(number)).await.unwrap();
    }
    let other = file.folder.path().join("other");
    link(&file.path(), &other);
    remove(&file.path(), &ALL);
    for suffix in ["", "-wal"] {
        let open = fs::File::options().write(true).open(with_suffix(&other, suffix)).unwrap();
        let bytes = usize::try_from(open.metadata().unwrap().len()).unwrap();
        open.write_all_at(&vec![0x55; bytes], 0).unwrap();
    }
    // It has its tables.
    wait_for("a queue that takes webhooks", PATIENCE, || async {
        queue.publish(webhook(30)).await.ok()
    })
    .await;
    let census = queue.census().await.unwrap();
    let (from_ms, until_ms) = census.unsure_ms.unwrap();
    assert!(from_ms <= until_ms && census.waiting == 1, "{census:?}");
}

async fn post(setting: &Setting<'_>, seed: u64, count: usize) {
    let plan = Plan { seed, ..Plan::default() };
    let report = send_all(setting.sending(4), history(&plan).take(count), || ()).await.unwrap();
    assert_eq!(report.accepted, count as u64);
}

async fn all_ended(setting: &Setting<'_>, count: u64) -> Value {
    wait_for("all applied", PATIENCE, || async {
        let status = setting.status();
        (ended(&status) == count && status["balanced"] == true).then_some(status)
    })
    .await
}

async fn becomes_unready(setting: &Setting<'_>) -> Value {
    let client = http_client::plain().build().unwrap();
    let url = format!("http://127.0.0.1:{}/readyz", setting.admin_port);
    wait_for("a process that is not ready", PATIENCE, || async {
        let answer = client.get(&url).send().await.ok()?;
        let is_unready = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        let told: Value = answer.json().await.ok()?;
        (is_unready || told["dependencies"]["database"]["state"] == "down").then_some(told)
    })
    .await
}

/// An `up` whose tables are in a folder of their own.
struct Site {
    folder: tempfile::TempDir,
    url: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tables")).unwrap();
        let url = format!("sqlite://{}", folder.path().join("tables/waha.db").display());
        Self { folder, url }
    }

    fn tables(&self) -> PathBuf {
        self.folder.path().join("tables/waha.db")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_removed_or_replaced_are_an_outage_until_they_are_put_back() {
    let moved: fn(&Site) = |site| {
        let folder = site.folder.path();
        fs::rename(folder.join("tables"), folder.join("away")).unwrap();
    };
    let moved_back: fn(&Site) = |site| {
        let folder = site.folder.path();
        fs::rename(folder.join("away"), folder.join("tables")).unwrap();
    };
    let removed: fn(&Site) = |site| {
        link(&site.tables(), &site.folder.path().join("kept"));
        remove(&site.tables(), &ALL);
    };
    let replaced: fn(&Site) = |site| {
        link(&site.tables(), &site.folder.path().join("kept"));
        let backup = site.folder.path().join("backup.db");
        fs::copy(site.tables(), &backup).unwrap();
        fs::rename(backup, site.tables()).unwrap();
    };
    let back: fn(&Site) = |site| put_back(&site.folder.path().join("kept"), &site.tables());
    for (strike, mend, words) in [
        (moved, moved_back, "was removed or moved"),
        (removed, back, "was removed or moved"),
        (replaced, back, "another file is in the place"),
    ] {
        let site = Site::new();
        let setting = Setting::new(site.folder.path(), &site.url);
        let mut up = setting.up().await;
        post(&setting, 1, 40).await;
        all_ended(&setting, 40).await;
        strike(&site);
        post(&setting, 2, 40).await;
        let told = becomes_unready(&setting).await;
        let failure = told["dependencies"]["database"]["last_use"]["failure"].as_str();
        assert!(failure.is_some_and(|it| it.contains(words)), "{told}");
        mend(&site);
        let status = all_ended(&setting, 80).await;
        assert_eq!(status["dead_lettered"], 0, "{status}");
        let log = site.log();
        let lines = log.lines().filter(|it| it.contains("the tables can't be written")).count();
        assert_eq!(lines, 1, "{log}");
        setting.answers("readyz").await;
        assert_eq!(up.terminate(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_log_is_removed_lose_nothing_by_a_kill() {
    let site = Site::new();
    let setting = Setting::new(site.folder.path(), &site.url);
    let mut up = setting.up().await;
    post(&setting, 1, 40).await;
    all_ended(&setting, 40).await;
    let log = with_suffix(&site.tables(), "-wal");
    fs::remove_file(&log).unwrap();
    wait_for("a log that is made again", PATIENCE, || async { log.exists().then_some(()) }).await;
    post(&setting, 2, 40).await;
    all_ended(&setting, 80).await;
    up.kill();
    let _up = setting.up().await;
    all_ended(&setting, 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_in_a_queue_file_that_is_removed_outlive_a_kill() {
    for suffixes in [&ALL[..], &["-wal"]] {
        let site = Site::new();
        let setting = Setting::new(site.folder.path(), &site.url);
        let mut up = setting.up().await;
        // Nothing can be applied meanwhile.
        let lock = Connection::open(site.tables()).unwrap();
        lock.busy_timeout(PATIENCE).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        post(&setting, 1, 60).await;
        let queue = site.folder.path().join("data/queue.db");
        let before = fs::metadata(&queue).unwrap().ino();
        remove(&queue, suffixes);
        is_written_anew(&queue, before).await;
        post(&setting, 2, 20).await;
        up.kill();
        drop(lock);
        let _up = setting.up().await;
        let status = all_ended(&setting, 80).await;
        assert_eq!(status["accepted"], 80, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_is_removed_is_restored_or_told_as_not_known() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    migration::up(&database.connect().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    let mut serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    node.does("kill");
    post(&setting, 1, 60).await;
    let spool = folder.path().join("data/spool.db");
    let before = fs::metadata(&spool).unwrap().ino();
    remove(&spool, &ALL);
    is_written_anew(&spool, before).await;
    post(&setting, 2, 20).await;
    let count = with_suffix(&spool, ".count");
    // What the count file says of the spool is at most some seconds old.
    wait_for("a count of what is spooled", PATIENCE, || async {
        fs::read_to_string(&count).unwrap().contains("\"accepted\":80}").then_some(())
    })
    .await;
    serve.kill();
    let spooled = || {
        let file = Connection::open(&spool).unwrap();
        let count = "SELECT count(*) FROM deliveries";
        file.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(spooled(), 80);
    // Now nobody has it open.
    for suffix in ALL {
        let _ = fs::remove_file(with_suffix(&spool, suffix));
    }
    node.does("resume");
    let not_known = || async {
        let status = setting.run(&["status", "--json"]);
        let told: Value = serde_json::from_slice(&status.stdout).ok()?;
        let reason = told["reason"].as_str().unwrap_or_default().to_owned();
        (told["balanced"].is_null() && reason.contains("spool file"))
            .then_some(status.status.code())
    };
    let code = wait_for("an unknown balance", PATIENCE, not_known).await;
    assert_eq!(code, Some(3));
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    wait_for("an unknown balance with a new spool", PATIENCE, not_known).await;
    wait_for("a settlement", PATIENCE, || async {
        setting.run(&["status", "settle", "--yes"]).status.success().then_some(())
    })
    .await;
    wait_for("a settled balance", PATIENCE, || async {
        (setting.status()["balanced"] == true).then_some(())
    })
    .await;
}

#[test]
fn commands_that_look_make_nothing_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["status"][..], 3),
        (&["status", "--json"], 3),
        // For want of a source.
        (&["check"], 1),
        (&["dead-letters", "list"], 1),
        (&["dead-letters", "groups"], 1),
        (&["webhooks", "list"], 1),
        (&["audit", "list"], 1),
        (&["migrate", "status"], 1),
        (&["migrate", "down", "--yes"], 1),
    ] {
        let output = cli::run(folder.path(), &[], arguments);
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains("nothing here: ./data has no "), "{arguments:?}: {told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?} made something");
    }
    // A folder without a queue is as little an installation.
    assert!(cli::run(folder.path(), &[], &["migrate", "up"]).status.success());
    let output = cli::run(folder.path(), &[], &["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!folder.path().join("data/queue.db").exists());
    assert!(String::from_utf8_lossy(&output.stderr).contains("queue.db"));
}

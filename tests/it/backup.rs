//! `backup` beside a process that works, and `restore`: what was accepted before the instant of a backup is
//! whole in it, once; and what came since is told, and found again where the old files can be read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use waha_ingest::media::storage::MediaStorage;
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::cli;
use crate::database::Database;
use crate::media::s3::{ACCESS_KEY, Mood, REGION, S3, SECRET_KEY};
use crate::process::{Process, Setting, ended};
use crate::rows::{Rows, assert_equal, count, rows};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
const COUNT: usize = 3_000;
const BACKUPS: usize = 5;
/// Webhooks a second while backups are made: on a busy machine, too, some come after the last one.
const RATE: f64 = 150.0;

/// An installation in a folder of its own, as `up` makes it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The tables are where they are without a setting; all bodies are kept, so that all can be carried.
    fn setting(&self) -> Setting<'_> {
        let mut setting = Setting::new(self.folder.path(), "sqlite://data/waha.db");
        setting.environment = vec![("WAHA_INGEST__LEDGER__EPHEMERAL_BODIES", "all".to_owned())];
        setting
    }

    fn database(&self) -> Database {
        Database::at(&self.data().join("waha.db"))
    }

    async fn rows(&self) -> Rows {
        let db = self.database().connect().await;
        let rows = rows(&db).await;
        db.close().await.unwrap();
        rows
    }

    /// Another one, made of a backup.
    fn restored(backup: &Path) -> Self {
        let site = Self::new();
        let output = site.setting().run(&["restore", backup.to_str().unwrap(), "--yes"]);
        assert!(output.status.success(), "{}", text(&output));
        site
    }

    /// What `status` says once nothing waits any more.
    async fn settled(&self) -> Value {
        let setting = self.setting();
        let mut up = setting.up().await;
        let status = setting.settled(PATIENCE).await;
        assert_eq!(up.terminate(), Some(0));
        status
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn webhooks(seed: u64, count: usize) -> impl Iterator<Item = Sent> + Send {
    history(&Plan { seed, messages: 5_000, ..Plan::default() }).take(count)
}

/// Sends, and tries again what was not taken.
async fn post(setting: &Setting<'_>, seed: u64, count: usize, rate: Option<f64>) {
    let retry_delay = Duration::from_millis(100);
    let sending = Sending { attempts_max: 100, retry_delay, rate, ..setting.sending(16) };
    let sent = tokio::spawn(send_all(sending, webhooks(seed, count), || ()));
    assert_eq!(sent.await.unwrap().unwrap().accepted, count as u64);
}

/// Makes a backup; returns its folder.
fn back_up(setting: &Setting<'_>, into: &Path) -> PathBuf {
    let output = setting.run(&["backup", into.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// Webhooks move all the time: accepted, in hand, applied and not acked. Five instants of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_each_webhook_once() {
    let (site, kept) = (Site::new(), tempfile::tempdir().unwrap());
    let setting = site.setting();
    let mut up = setting.up().await;
    let sending = post(&setting, 3, COUNT, Some(RATE));
    let copying = copy_meanwhile(&setting, kept.path());
    let ((), backups) = tokio::join!(sending, copying);
    setting.settled(PATIENCE).await;
    assert_eq!(up.terminate(), Some(0));
    for backup in &backups {
        is_whole(backup).await;
    }
    same_rows_after_all_is_sent_again(&site, &backups[BACKUPS / 2]).await;
}

/// One after the other while webhooks come in.
async fn copy_meanwhile(setting: &Setting<'_>, into: &Path) -> Vec<PathBuf> {
    let mut backups = Vec::new();
    for step in 1..=BACKUPS {
        let so_many = i64::try_from(step * COUNT / (BACKUPS + 1)).unwrap();
        wait_for("a part to be accepted", PATIENCE, || async {
            (setting.status()["accepted"].as_i64()? > so_many).then_some(())
        })
        .await;
        // Two within a second would have one name.
        let folder = into.join(step.to_string());
        backups.push(tokio::task::block_in_place(|| back_up(setting, &folder)));
    }
    backups
}

async fn is_whole(backup: &Path) {
    let manifest: Value =
        serde_json::from_slice(&fs::read(backup.join("backup.json")).unwrap()).unwrap();
    let accepted = manifest["queue"]["accepted"].as_u64().unwrap();
    assert!((1..COUNT as u64).contains(&accepted), "webhooks came in: {manifest}");
    let site = Site::restored(backup);
    let at_once = site.setting().status();
    assert_eq!((&at_once["accepted"], &at_once["balanced"]), (&accepted.into(), &true.into()));
    let status = site.settled().await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!((&status["missing"], &status["excess"]), (&0.into(), &0.into()), "{status}");
    assert_eq!((ended(&status), &status["duplicate"]), (accepted, &0.into()), "{status}");
    let db = site.database().connect().await;
    let ledger = count(&db, "webhook_events").await;
    assert_eq!(u64::try_from(ledger).unwrap(), accepted, "{status}");
}

async fn same_rows_after_all_is_sent_again(site: &Site, backup: &Path) {
    let other = Site::restored(backup);
    let setting = other.setting();
    let mut up = setting.up().await;
    post(&setting, 3, COUNT, None).await;
    setting.settled(PATIENCE).await;
    assert_eq!(up.terminate(), Some(0));
    assert_equal(&site.rows().await, &other.rows().await);
}

/// The tables are lost and put back; the queue goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_lost_since_is_missing_and_is_found_again() {
    let (site, kept) = (Site::new(), tempfile::tempdir().unwrap());
    let setting = site.setting();
    let mut up = setting.up().await;
    post(&setting, 4, 300, None).await;
    setting.settled(PATIENCE).await;
    let backup = back_up(&setting, kept.path());
    post(&setting, 5, 200, None).await;
    let before = setting.settled(PATIENCE).await;
    refuses_while_used(&setting, &backup);
    up.kill();
    let expected = site.rows().await;
    let restore = ["restore", backup.to_str().unwrap(), "--tables-only", "--yes"];
    let reader = site.database().connect().await;
    count(&reader, "webhook_events").await;
    let refused = text(&setting.run(&restore));
    assert!(refused.contains("waha.db is open in another process"), "{refused}");
    reader.close().await.unwrap();
    let told = text(&setting.run(&restore));
    let mut up = setting.up().await;
    let status = setting.status();
    assert_eq!((&status["missing"], &status["balanced"]), (&200.into(), &false.into()), "{status}");
    let old = told.lines().find_map(|it| it.strip_prefix("kept     ")).unwrap();
    carry(&setting, old);
    let status = setting.status();
    assert_eq!((&status["balanced"], &status["lost"]), (&true.into(), &200.into()), "{status}");
    assert_eq!(ended(&status), ended(&before), "{status}");
    assert_eq!(up.terminate(), Some(0));
    assert_equal(&expected, &site.rows().await);
}

fn refuses_while_used(setting: &Setting<'_>, backup: &Path) {
    let output = setting.run(&["restore", backup.to_str().unwrap(), "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("in use by another process"), "{}", text(&output));
}

/// From the old tables into the present ones, as the runbook says.
fn carry(setting: &Setting<'_>, old: &str) {
    let url = format!("sqlite://{old}");
    let mut there = setting.command(&["webhooks", "export", "--all", "--output", "lost.jsonl"]);
    there.env("WAHA_INGEST__DATABASE__URL", &url);
    let exported = there.output().unwrap();
    assert!(exported.status.success(), "{}", text(&exported));
    for step in [
        &["webhooks", "import", "lost.jsonl", "--yes", "--note", "restore"][..],
        &["status", "settle", "--yes", "--note", "restore"],
    ] {
        let output = setting.run(step);
        assert!(output.status.success(), "{step:?}: {}", text(&output));
    }
}

/// Followers have to know that positions are given out anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_feed_is_another_one_and_a_key_that_is_there_stays() {
    let (site, kept) = (Site::new(), tempfile::tempdir().unwrap());
    let mut setting = site.setting();
    setting.environment.push(("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", String::new()));
    let mut up = start_with_made_key(&setting).await;
    let before = epoch(&setting);
    let backup = back_up(&setting, kept.path());
    assert_eq!(up.terminate(), Some(0));
    let key = fs::read(backup.join("hmac-key")).unwrap();
    let other = Site::restored(&backup);
    assert_eq!(fs::read(other.data().join("hmac-key")).unwrap(), key);
    assert_ne!(epoch(&other.setting()), before);
    fs::write(other.data().join("hmac-key"), "the one that WAHA has\n").unwrap();
    let again = other.setting().run(&["restore", backup.to_str().unwrap(), "--yes"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(fs::read(other.data().join("hmac-key")).unwrap(), b"the one that WAHA has\n");
    for file in ["queue.db", "waha.db", "hmac-key", "backup.json"] {
        let mode = fs::metadata(backup.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} holds people's messages: {mode:o}");
    }
}

async fn start_with_made_key(setting: &Setting<'_>) -> Process {
    let mut command = setting.command(&["up"]);
    command.env_remove("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS");
    let up = setting.spawn_command(command);
    setting.answers("readyz").await;
    up
}

fn epoch(setting: &Setting<'_>) -> String {
    let output = setting.run(&["feed", "show", "--json"]);
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    state["epoch"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_and_what_was_cut_off_or_changed_is_no_backup() {
    let (site, kept) = (Site::new(), tempfile::tempdir().unwrap());
    let setting = site.setting();
    setting.up().await.terminate();
    let into = kept.path().to_str().unwrap();
    let first = back_up(&setting, kept.path());
    fs::create_dir(kept.path().join("20200101T000000Z.part")).unwrap();
    fs::create_dir(kept.path().join("somebody's")).unwrap();
    wait_for("another second", PATIENCE, || async {
        setting.run(&["backup", into, "--keep", "1"]).status.success().then_some(())
    })
    .await;
    let mut names: Vec<_> =
        fs::read_dir(kept.path()).unwrap().map(|it| it.unwrap().path()).collect();
    names.retain(|it| it.is_dir());
    assert!(!first.exists() && names.len() == 2, "{names:?}");
    let second = names.into_iter().find(|it| it.join("backup.json").exists()).unwrap();
    fs::File::options().append(true).open(second.join("waha.db")).unwrap().set_len(4096).unwrap();
    let output = setting.run(&["restore", second.to_str().unwrap(), "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("waha.db is missing or was changed"), "{}", text(&output));
}

/// Where backups are in the bucket of the tests.
const IN_BUCKET: &str = "s3://files/of/waha";

fn with_bucket<'a>(site: &'a Site, s3: &S3) -> Setting<'a> {
    let mut setting = site.setting();
    setting.environment.extend([
        ("WAHA_INGEST__BACKUP__S3__ENDPOINT", s3.url.clone()),
        ("WAHA_INGEST__BACKUP__S3__REGION", REGION.to_owned()),
        ("WAHA_INGEST__BACKUP__S3__ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("WAHA_INGEST__BACKUP__S3__SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]);
    setting
}

/// Files of others, and of a backup that was cut off.
async fn strew(s3: &S3) {
    let storage = MediaStorage::open(&s3.options()).unwrap();
    for key in ["of/waha/20200101T000000Z/waha.db", "of/waha/0/somebody's", "of/wahas/waha.db"] {
        let mut upload = storage.upload(key);
        upload.write("x".into()).await.unwrap();
        upload.finish().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_the_newest_and_gives_it_back() {
    let (site, s3) = (Site::new(), S3::start());
    let setting = with_bucket(&site, &s3);
    let mut up = setting.up().await;
    post(&setting, 6, 200, None).await;
    setting.settled(PATIENCE).await;
    strew(&s3).await;
    let place = |output: Output| String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let backup = |more: &[&str]| setting.run(&[&["backup", IN_BUCKET][..], more].concat());
    let first = place(tokio::task::block_in_place(|| backup(&[])));
    assert!(first.starts_with(&format!("{IN_BUCKET}/2")), "{first}");
    let newest = wait_for("another second", PATIENCE, || async {
        let output = tokio::task::block_in_place(|| backup(&["--keep", "1"]));
        Some(place(output)).filter(|it| !it.is_empty() && *it != first)
    })
    .await;
    let name = newest.rsplit('/').next().unwrap();
    let of = |file: &str| format!("of/waha/{name}/{file}");
    let mut left = vec!["of/waha/0/somebody's".to_owned()];
    left.extend(["backup.json", "queue.db", "waha.db"].map(of));
    left.push("of/wahas/waha.db".to_owned());
    assert_eq!(s3.objects().into_keys().collect::<Vec<_>>(), left);
    s3.feel(Mood::Full);
    let refused = tokio::task::block_in_place(|| backup(&[]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains(IN_BUCKET), "{}", text(&refused));
    s3.feel(Mood::Well);
    assert_eq!((s3.objects().len(), s3.unfinished()), (left.len(), 0));
    assert_eq!(up.terminate(), Some(0));
    let names = fs::read_dir(site.data()).unwrap().map(|it| it.unwrap().file_name());
    let on_the_way = names.filter(|it| it.to_string_lossy().starts_with("backup-"));
    assert_eq!(on_the_way.count(), 0, "what was on the way is gone");
    is_given_back(&site, &s3, &newest).await;
}

async fn is_given_back(site: &Site, s3: &S3, place: &str) {
    let other = Site::new();
    let setting = with_bucket(&other, s3);
    let restored = tokio::task::block_in_place(|| setting.run(&["restore", place, "--yes"]));
    assert!(restored.status.success(), "{}", text(&restored));
    assert_eq!(setting.status()["balanced"], true);
    assert_equal(&site.rows().await, &other.rows().await);
    let nowhere = format!("{IN_BUCKET}/20200101T000000Z");
    let missing = tokio::task::block_in_place(|| setting.run(&["restore", &nowhere, "--yes"]));
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).contains(&nowhere), "{}", text(&missing));
}

#[test]
fn there_must_be_something_to_back_up() {
    let folder = tempfile::tempdir().unwrap();
    let away = ("QUEUE__URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    for (settings, is_right) in [(&[][..], "nothing here"), (&[away], "are on servers")] {
        let output = cli::run(folder.path(), settings, &["backup", "kept"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(is_right), "{}", text(&output));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it made something");
    }
    let output = cli::run(folder.path(), &[], &["restore", "nowhere", "--yes"]);
    assert!(text(&output).contains("is no backup"), "{}", text(&output));
}

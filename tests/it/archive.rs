//! What the ledger lets go of is in the archive before it goes, whatever is cut off, and comes back from there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::Value;
use waha_ingest::archive::{Archive, ArchiveError, ArchiveOptions, Manifest};
use waha_ingest::media::storage::StorageOptions;
use waha_ingest::operations::import_webhooks;
use waha_ingest::renormalize::Renormalizer;
use waha_ingest::retention::{Cleaner, RetentionError, RetentionKind};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::audit::{AuditAction, AuditEntry};

use crate::app::TestApp;
use crate::database::{Database, Kind, on_each_database};
use crate::desk::actor;
use crate::process::Setting;
use crate::rows::{assert_equal, count, rows, without_ledger};

on_each_database!(
    what_goes_is_kept_first_and_comes_back,
    cut_off_anywhere_what_is_gone_is_kept,
    what_can_not_be_kept_stays,
    an_archive_is_read_again_without_being_imported,
    killed_at_random_what_is_gone_is_kept_and_counted,
);

const WEEK: Duration = Duration::from_hours(7 * 24);
/// From November into December, more than a week.
const TO_DECEMBER_MS: i64 = 25 * 24 * 3_600_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn webhooks(seed: u64, count: usize) -> Vec<Sent> {
    let plan = Plan { seed, messages: 2_000, families: Families::ALL, ..Plan::default() };
    history(&plan).take(count).collect()
}

pub fn archive(folder: &Path) -> Archive {
    let storage = StorageOptions::Folder(folder.to_owned());
    let place = folder.display().to_string();
    Archive::open(&ArchiveOptions { storage, prefix: "waha/main".to_owned(), place }).unwrap()
}

pub fn cleaner(app: &TestApp, folder: &Path) -> Cleaner {
    Cleaner { archive: Some(archive(folder)), ..app.cleaner() }
}

/// One that has applied these, and in which they are old.
async fn with_old(kind: Kind, webhooks: &[Sent]) -> TestApp {
    let app = TestApp::start_packing(kind).await;
    for sent in webhooks {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
    app.clock.advance(TO_DECEMBER_MS);
    app
}

/// The lines of a month, unpacked by the `zstd` of others.
async fn lines(folder: &Path) -> Vec<Value> {
    let mut packed = Vec::new();
    let archive = archive(folder);
    let month = "2026-11".parse().unwrap();
    let webhooks = archive.copy(month, &mut packed).await.unwrap();
    if packed.is_empty() {
        return Vec::new();
    }
    let text = zstd::stream::decode_all(&packed[..]).unwrap();
    let lines: Vec<Value> = serde_json::Deserializer::from_slice(&text)
        .into_iter::<Value>()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines.len() as u64, webhooks);
    lines
}

pub fn key(line: &Value) -> String {
    let parts = ["source", "session", "event_type", "webhook_id"];
    parts.map(|part| line[part].as_str().unwrap()).join("|")
}

pub async fn keys(app: &TestApp) -> BTreeSet<String> {
    let rows = entity::webhook_events::Entity::find().all(app.db()).await.unwrap();
    let key = |row: entity::webhook_events::Model| {
        [row.source, row.session, row.event_type, row.webhook_id].join("|")
    };
    rows.into_iter().map(key).collect()
}

async fn gone(app: &TestApp) -> i64 {
    let rows = entity::webhook_sums::Entity::find().all(app.db()).await.unwrap();
    rows.iter().filter(|row| row.outcome != "duplicate").map(|row| row.webhooks).sum()
}

async fn what_goes_is_kept_first_and_comes_back(kind: Kind) {
    let old = webhooks(1, 900);
    let app = with_old(kind, &old).await;
    app.clock.advance(-TO_DECEMBER_MS);
    for sent in &old[..30] {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
    app.clock.advance(TO_DECEMBER_MS);
    let (known, before) = (keys(&app).await, app.equation().await);
    let tables = without_ledger(rows(app.db()).await);
    let folder = tempfile::tempdir().unwrap();
    let dropped = cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!(app.equation().await, before);
    let kept = lines(folder.path()).await;
    assert_eq!(kept.iter().map(key).collect::<BTreeSet<String>>(), known);
    assert_eq!((kept.len() as u64, gone(&app).await.unsigned_abs()), (dropped, dropped));
    let manifests = archive(folder.path()).manifests(None).await.unwrap();
    let repeated: u64 = manifests.iter().map(|it| it.repetitions).sum();
    assert_eq!(repeated, before.duplicate);
    let applied: u64 = manifests.iter().filter_map(|it| it.outcomes.get("applied")).sum();
    assert_eq!(applied, before.applied);
    // Elsewhere they make the same rows.
    let other = TestApp::start(kind).await;
    let file = folder.path().join("copy");
    let mut copy = File::create(&file).unwrap();
    archive(folder.path()).copy("2026-11".parse().unwrap(), &mut copy).await.unwrap();
    let actor = actor();
    let log = AuditEntry::new(AuditAction::Import, &actor);
    let log = other.store.record(&log).await.unwrap();
    let mut input = BufReader::new(zstd::Decoder::new(File::open(&file).unwrap()).unwrap());
    let rules = &other.worker.rules;
    let imported = import_webhooks(&other.store, rules, &mut input, Some(log)).await.unwrap();
    assert_eq!((imported.lines, imported.known), (dropped, 0));
    assert_eq!(imported.imported + imported.without_body, dropped);
    assert_equal(&tables, &without_ledger(rows(other.db()).await));
    assert_eq!(other.equation().await.balanced, Some(true));
}

async fn cut_off_anywhere_what_is_gone_is_kept(kind: Kind) {
    let app = with_old(kind, &webhooks(1, 1_000)).await;
    let (known, before) = (keys(&app).await, app.equation().await);
    let folder = tempfile::tempdir().unwrap();
    for ms in (0..120).step_by(4) {
        let cleaner = cleaner(&app, folder.path());
        let cut_off = cleaner.let_go(RetentionKind::Ledger, WEEK);
        // Dropped in the middle of whatever it does.
        let _ = tokio::time::timeout(Duration::from_millis(ms), cut_off).await;
        assert_eq!(app.equation().await, before, "after {ms} ms");
        let kept: BTreeSet<String> = lines(folder.path()).await.iter().map(key).collect();
        let gone: BTreeSet<String> = known.difference(&keys(&app).await).cloned().collect();
        assert!(gone.is_subset(&kept), "after {ms} ms: {} of {}", gone.len(), kept.len());
    }
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!(app.equation().await, before);
    let kept = lines(folder.path()).await;
    assert_eq!(kept.len(), known.len(), "the same rows made the same file again");
    assert_eq!(gone(&app).await, i64::try_from(known.len()).unwrap());
}

async fn what_can_not_be_kept_stays(kind: Kind) {
    let app = with_old(kind, &webhooks(1, 50)).await;
    let before = app.equation().await;
    let folder = tempfile::tempdir().unwrap();
    // Where the folder of the month is to be, there is a file.
    std::fs::create_dir_all(folder.path().join("waha/main/webhooks")).unwrap();
    let in_the_way = folder.path().join("waha/main/webhooks/2026-11");
    std::fs::write(&in_the_way, "x").unwrap();
    let refused = cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await;
    assert!(matches!(refused, Err(RetentionError::Archive(_))), "{refused:?}");
    assert_eq!(count(app.db(), "webhook_events").await, 50);
    assert_eq!(app.equation().await, before);
    std::fs::remove_file(&in_the_way).unwrap();
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    // A byte that changed is seen by whoever reads it.
    let archive = archive(folder.path());
    let Manifest { file, .. } = archive.manifests(None).await.unwrap().remove(0);
    let file = folder.path().join(file);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let read = archive.copy("2026-11".parse().unwrap(), &mut Vec::new()).await;
    assert!(matches!(read, Err(ArchiveError::Damaged { .. })), "{read:?}");
}

/// A table that is younger than the history is filled from the archive.
async fn an_archive_is_read_again_without_being_imported(kind: Kind) {
    let app = with_old(kind, &webhooks(1, 400)).await;
    let folder = tempfile::tempdir().unwrap();
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    let before = app.equation().await;
    let reactions = count(app.db(), "waha_reactions").await;
    assert!(reactions > 0);
    app.db().execute_unprepared("DELETE FROM waha_reactions").await.unwrap();
    let mut packed = Vec::new();
    archive(folder.path()).copy("2026-11".parse().unwrap(), &mut packed).await.unwrap();
    let text = zstd::stream::decode_all(&packed[..]).unwrap();
    let (store, rules) = (&app.store, &app.worker.rules);
    for writes in [false, true, true] {
        let renormalizer = Renormalizer { store, rules, writes, rate: None };
        let counts = renormalizer.run_archive(|| Ok(&text[..])).await.unwrap();
        assert_eq!((counts.lines, counts.failed, counts.taken_back), (400, 0, 0));
        let there = count(app.db(), "waha_reactions").await;
        assert_eq!(there, if writes { reactions } else { 0 });
        assert_eq!(count(app.db(), "webhook_events").await, 0);
        assert_eq!(app.equation().await, before);
    }
}

async fn killed_at_random_what_is_gone_is_kept_and_counted(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let archived = folder.path().join("archive");
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment = vec![
        ("WAHA_INGEST__RETENTION__LEDGER_DAYS", "7".to_owned()),
        ("WAHA_INGEST__RETENTION__ROWS_PER_SECOND", "1000000".to_owned()),
        ("WAHA_INGEST__ARCHIVE__URL", archived.display().to_string()),
    ];
    let up = setting.up().await;
    let sending = setting.sending(16);
    let webhooks = history(&Plan { messages: 4_000, ..Plan::default() }).take(4_000);
    waha_ingest::sender::send_all(sending, webhooks, || ()).await.unwrap();
    let status = setting.settled(PATIENCE).await;
    let db = database.connect().await;
    crate::ledger_retention::age(&db).await;
    for round in 0..8_u64 {
        let mut run = setting.spawn(&["retention", "run", "--yes"]);
        tokio::time::sleep(Duration::from_millis(60 + round * 53)).await;
        run.kill();
        assert_eq!(setting.status()["balanced"], true, "round {round}");
    }
    let output = setting.run(&["retention", "run", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = setting.status();
    for count in ["accepted", "applied", "ignored", "dead_lettered", "balanced"] {
        assert_eq!(after[count], status[count], "{count}");
    }
    assert_eq!(count(&db, "webhook_events").await, 0);
    // Imported, they are known by nobody; what would become of them is said.
    let arguments = ["webhooks", "import", "--from-archive", "2025-03", "--dry-run", "--json"];
    let output = setting.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let would: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(would["lines"].as_u64() >= Some(4_000), "{would}");
    assert_eq!(would["known"], 0);
    let arguments = ["webhooks", "renormalize", "--from-archive", "2025-03", "--yes", "--json"];
    let output = setting.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(setting.status()["accepted"], status["accepted"]);
    drop(up);
}

//! A month that goes whole is in the archive before, each webhook once, and comes back from there.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use entity::{retention_cursors, webhook_events};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IsolationLevel, QueryFilter, QuerySelect, Set,
    Statement, TransactionTrait,
};
use serde_json::Value;
use waha_ingest::accounting::Accounting;
use waha_ingest::clock::Clock;
use waha_ingest::operations::{Transferred, import_webhooks};
use waha_ingest::retention::RetentionKind;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::audit::{AuditAction, AuditEntry};
use waha_ingest::store::months::MonthTable;

use crate::app::TestApp;
use crate::archive::{archive, cleaner, key, keys};
use crate::database::{Kind, on_each_database};
use crate::desk::{actor, letters};
use crate::partition::{
    DAY_MS, MONTHS_MS, apply, divide, doubled, gone, grow, months, told_at, webhooks,
};
use crate::rows::count;
use crate::wait::wait_for;

on_each_database!(
    whole_months_are_archived_first_and_come_back,
    what_stays_is_not_archived_until_it_goes,
    a_body_that_can_not_be_read_stays_and_its_month_goes,
    cut_off_anywhere_what_is_gone_is_archived,
    what_a_killed_run_took_out_is_archived_before_it_goes,
    two_at_once_lose_and_double_nothing,
    no_number_is_given_twice,
    what_comes_meanwhile_is_not_archived,
);

const WEEK: Duration = Duration::from_hours(7 * 24);
const PATIENCE: Duration = Duration::from_secs(60);

/// Divided, with webhooks of four months that are over.
async fn with_old(kind: Kind) -> TestApp {
    let app = TestApp::start_packing(kind).await;
    apply(&app, &webhooks(1, 100)).await;
    divide(&app.store).await;
    grow(&app).await;
    app.clock.advance(40 * DAY_MS);
    app
}

/// All lines of the archive, unpacked, each file as its manifest says.
async fn lines(folder: &Path) -> Vec<Value> {
    let archive = archive(folder);
    let mut lines = Vec::new();
    for manifest in archive.manifests(None).await.unwrap() {
        let text = zstd::stream::decode_all(&archive.check(&manifest).await.unwrap()[..]).unwrap();
        let of_file = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        lines.extend(of_file.map(Result::unwrap));
    }
    lines
}

async fn archived(folder: &Path) -> BTreeSet<String> {
    lines(folder).await.iter().map(key).collect()
}

async fn import(app: &TestApp, folder: &Path) -> Transferred {
    let text: Vec<String> = lines(folder).await.iter().map(|line| format!("{line}\n")).collect();
    let (actor, text) = (actor(), text.concat());
    let log = AuditEntry::new(AuditAction::Import, &actor);
    let log = app.store.record(&log).await.unwrap();
    let mut input = BufReader::new(text.as_bytes());
    import_webhooks(&app.store, &app.worker.rules, &mut input, Some(log)).await.unwrap()
}

/// Rows that were deleted one by one leave their numbers behind the cursor; a month that goes whole leaves none.
async fn went_whole(app: &TestApp, kind: Kind) -> bool {
    let sql = match kind {
        Kind::Sqlite => return false,
        Kind::Postgres => "SELECT 1 AS n WHERE to_regclass('webhook_events_first') IS NULL",
        Kind::MySql => "SELECT CAST(1 AS SIGNED) AS n FROM webhook_sums LIMIT 1",
    };
    let backend = app.db().get_database_backend();
    let row = app.db().query_one_raw(Statement::from_string(backend, sql)).await.unwrap();
    let beside = "SELECT CAST(COUNT(*) AS SIGNED) AS n FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'webhook_events_leaving'";
    if kind == Kind::MySql {
        let beside = app.db().query_one_raw(Statement::from_string(backend, beside)).await.unwrap();
        return row.is_some() && beside.unwrap().try_get::<i64>("", "n").unwrap() == 1;
    }
    row.is_some()
}

async fn whole_months_are_archived_first_and_come_back(kind: Kind) {
    let app = with_old(kind).await;
    let (known, before) = (keys(&app).await, app.equation().await);
    let in_months = months(app.db(), "webhook_events").await;
    let folder = tempfile::tempdir().unwrap();
    let dropped = cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!((dropped, known.len()), (280, 280));
    assert_eq!(went_whole(&app, kind).await, kind != Kind::Sqlite);
    assert_eq!(app.equation().await, before);
    for table in ["webhook_events", "webhook_bodies", "webhook_duplicates"] {
        assert_eq!(count(app.db(), table).await, 0, "{table}");
    }
    let kept = lines(folder.path()).await;
    assert_eq!((kept.len(), archived(folder.path()).await), (280, known.clone()));
    let manifests = archive(folder.path()).manifests(None).await.unwrap();
    let repeated: u64 = manifests.iter().map(|it| it.repetitions).sum();
    assert_eq!(repeated, before.duplicate);
    // Nobody knows them here any more: they are accepted once more, and counted as imported.
    let imported = import(&app, folder.path()).await;
    assert_eq!((imported.lines, imported.known), (280, 0));
    let back = keys(&app).await;
    assert_eq!(back.len() as u64, imported.imported);
    assert!(back.is_subset(&known) && doubled(app.db()).await == 0);
    assert!(months(app.db(), "webhook_events").await.is_subset(&in_months));
    let after = app.equation().await;
    assert_eq!(after.accepted, before.accepted + imported.imported);
    assert_eq!(after.balanced, Some(true));
    let again = import(&app, folder.path()).await;
    assert_eq!((again.known, again.imported), (imported.imported, 0));
}

async fn what_stays_is_not_archived_until_it_goes(kind: Kind) {
    let app = with_old(kind).await;
    app.post_json(&serde_json::json!({
        "id": "evt_odd", "timestamp": MONTHS_MS[1].0, "event": "message", "session": "shop",
        "payload": 7,
    }))
    .await;
    app.work_until_idle().await;
    assert_eq!(letters(&app, DeadLetterState::Pending).await.len(), 1);
    app.clock.advance(40 * DAY_MS);
    let before = app.equation().await;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
        assert_eq!(app.equation().await, before);
        assert_eq!(count(app.db(), "webhook_events").await, 1);
        assert_eq!(lines(folder.path()).await.len(), 280, "each webhook that went, once");
    }
    app.db().execute_unprepared("DELETE FROM dead_letters").await.unwrap();
    app.clock.advance(8 * DAY_MS);
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!(count(app.db(), "webhook_events").await, 0);
    assert_eq!((lines(folder.path()).await.len(), archived(folder.path()).await.len()), (281, 281));
}

async fn a_body_that_can_not_be_read_stays_and_its_month_goes(kind: Kind) {
    let app = with_old(kind).await;
    let id = "SELECT CAST(MIN(webhook_event_id) AS CHAR(20)) AS id FROM webhook_bodies";
    let backend = app.db().get_database_backend();
    let row = app.db().query_one_raw(Statement::from_string(backend, id)).await.unwrap().unwrap();
    let id: String = row.try_get("", "id").unwrap();
    let id = id.trim();
    let damage = match kind {
        Kind::Postgres => {
            format!("UPDATE webhook_bodies SET body = '\\x00' WHERE webhook_event_id = {id}")
        }
        _ => format!("UPDATE webhook_bodies SET body = x'00' WHERE webhook_event_id = {id}"),
    };
    app.db().execute_unprepared(&damage).await.unwrap();
    let before = app.equation().await;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
        assert_eq!(app.equation().await, before);
        assert_eq!(count(app.db(), "webhook_events").await, 1);
        assert_eq!(count(app.db(), "webhook_bodies").await, 1);
        assert_eq!(lines(folder.path()).await.len(), 279);
    }
    assert_eq!(archived(folder.path()).await.len(), 279);
}

/// What the archive has, and what the ledger has, is all that there was.
async fn nothing_is_lost(app: &TestApp, folder: &Path, known: &BTreeSet<String>, when: &str) {
    let kept = archived(folder).await;
    let mut beside = leaving(app).await;
    let gone: BTreeSet<String> = known.difference(&keys(app).await).cloned().collect();
    beside.extend(leaving(app).await);
    let lost: Vec<&String> = gone.difference(&kept).filter(|key| !beside.contains(*key)).collect();
    assert!(lost.is_empty(), "{when}: {lost:?}");
}

/// What was taken out of the ledger and neither counted nor put back yet.
async fn leaving(app: &TestApp) -> BTreeSet<String> {
    let sql = "SELECT source, session, event_type, webhook_id FROM webhook_events_leaving";
    let backend = app.db().get_database_backend();
    let rows = app.db().query_all_raw(Statement::from_string(backend, sql)).await;
    let text = |row: &sea_orm::QueryResult, name| row.try_get::<String>("", name).unwrap();
    let names = ["source", "session", "event_type", "webhook_id"];
    let key = |row: &sea_orm::QueryResult| names.map(|name| text(row, name)).join("|");
    rows.unwrap_or_default().iter().map(key).collect()
}

async fn cut_off_anywhere_what_is_gone_is_archived(kind: Kind) {
    let app = with_old(kind).await;
    let (known, before) = (keys(&app).await, app.equation().await);
    let folder = tempfile::tempdir().unwrap();
    for ms in (0..200).step_by(5) {
        let cleaner = cleaner(&app, folder.path());
        let cut_off = cleaner.let_go(RetentionKind::Ledger, WEEK);
        // Dropped in the middle of whatever it does.
        let _ = tokio::time::timeout(Duration::from_millis(ms), cut_off).await;
        assert_eq!(app.equation().await, before, "after {ms} ms");
        nothing_is_lost(&app, folder.path(), &known, &format!("after {ms} ms")).await;
    }
    // The server may not have seen yet that the last one was cut off.
    wait_for("all to be gone", PATIENCE, || async {
        cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.ok()?;
        let is_left =
            count(app.db(), "webhook_events").await > 0 || !leaving(&app).await.is_empty();
        (!is_left).then_some(())
    })
    .await;
    all_went(&app, folder.path(), &known, &before).await;
}

async fn all_went(app: &TestApp, folder: &Path, known: &BTreeSet<String>, before: &Accounting) {
    assert_eq!(app.equation().await, *before);
    assert_eq!(count(app.db(), "webhook_events").await, 0);
    assert_eq!(archived(folder).await, *known);
    let sums = entity::webhook_sums::Entity::find().all(app.db()).await.unwrap();
    assert!(sums.iter().all(|row| row.webhooks > 0), "{sums:?}");
    assert_eq!(gone(app.db()).await.unsigned_abs(), before.accepted);
    let imported = import(app, folder).await;
    assert_eq!(imported.known + imported.imported + imported.without_body, imported.lines);
    assert_eq!(doubled(app.db()).await, 0);
    assert_eq!(keys(app).await.len() as u64, imported.imported);
}

/// As a run on MySQL that was killed right then.
async fn take_out(app: &TestApp) {
    app.db()
        .execute_unprepared(
            "CREATE TABLE webhook_events_leaving LIKE webhook_events; \
             ALTER TABLE webhook_events_leaving REMOVE PARTITIONING; \
             ALTER TABLE webhook_events EXCHANGE PARTITION pfirst WITH TABLE webhook_events_leaving",
        )
        .await
        .unwrap();
}

/// It is applied as a new one, because its row is beside the table then; that row is its repetition.
#[tokio::test(flavor = "multi_thread")]
async fn on_mysql_what_comes_again_while_it_is_taken_out_is_counted_twice() {
    let app = with_old(Kind::MySql).await;
    let before = app.equation().await;
    take_out(&app).await;
    app.post_json(&told_at("evt_0_5", MONTHS_MS[0].0 + 5)).await;
    app.work_until_idle().await;
    for has_archive in [true, false] {
        app.store.finish_parts(app.clock.now() - WEEK, has_archive).await.unwrap();
        let after = app.equation().await;
        assert_eq!((after.accepted, after.balanced), (before.accepted + 1, Some(true)));
        assert_eq!(after.duplicate, before.duplicate + 1);
    }
}

/// MySQL exchanges a part before it counts it. What was changed in between is known to no archive.
async fn what_a_killed_run_took_out_is_archived_before_it_goes(kind: Kind) {
    if kind != Kind::MySql {
        return;
    }
    let app = with_old(kind).await;
    let (known, before) = (keys(&app).await, app.equation().await);
    let folder = tempfile::tempdir().unwrap();
    take_out(&app).await;
    assert!(!leaving(&app).await.is_empty());
    assert_eq!(app.equation().await, before, "they are counted where they are");
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    all_went(&app, folder.path(), &known, &before).await;
}

/// Bodies, repetitions and what is put back go by the number.
async fn no_number_is_given_twice(kind: Kind) {
    let app = with_old(kind).await;
    let highest = |rows: Vec<webhook_events::Model>| rows.iter().map(|row| row.id).max().unwrap();
    let rows = async || webhook_events::Entity::find().all(app.db()).await.unwrap();
    // The highest is in the oldest part, and was given when all others had been made: a new one knows the number.
    if kind != Kind::Sqlite {
        app.clock.advance(40 * DAY_MS);
        app.store.ensure_months().await.unwrap();
        app.clock.advance(-40 * DAY_MS);
    }
    app.post_json(&told_at("evt_highest", MONTHS_MS[0].0 + 1)).await;
    app.work_until_idle().await;
    let before = highest(rows().await);
    app.clock.advance(40 * DAY_MS);
    let folder = tempfile::tempdir().unwrap();
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert!(rows().await.is_empty());
    app.post_json(&told_at("evt_new", MONTHS_MS[0].0 + 2)).await;
    app.work_until_idle().await;
    assert!(highest(rows().await) > before);
}

/// It stays, because it came late, and is archived when it goes.
async fn what_comes_meanwhile_is_not_archived(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let app = with_old(kind).await;
    let before = app.clock.now() - WEEK;
    let store = &app.store;
    let due = store.due_parts(before).await.unwrap();
    let old = due.into_iter().find(|due| due.table == MonthTable::Ledger).unwrap();
    let rows =
        async |at| store.rows_of_part(&old.part, (before, at), 0, 1_000).await.unwrap().len();
    let at = app.clock.now();
    let were = rows(at).await;
    assert!(were > 0 && store.rows_that_stay(&old, before).await.unwrap().unwrap().is_empty());
    app.post_json(&told_at("evt_late", MONTHS_MS[0].0 + 1)).await;
    app.work_until_idle().await;
    assert_eq!(rows(at).await, were);
    // What is written anew meanwhile: all of it here.
    assert_eq!(rows(DateTime::UNIX_EPOCH).await, 0);
}

/// While another process holds the row that says whose turn it is, no part is exchanged.
#[tokio::test(flavor = "multi_thread")]
async fn on_mysql_one_process_at_a_time_takes_parts_out() {
    let app = with_old(Kind::MySql).await;
    let row = retention_cursors::ActiveModel {
        name: Set("parts".to_owned()),
        cursor_id: Set(0),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    retention_cursors::Entity::insert(row).exec(app.db()).await.unwrap();
    // As the process does, so that no row beside is held.
    let committed = Some(IsolationLevel::ReadCommitted);
    let db = app.db().begin_with_config(committed, None).await.unwrap();
    let turn = retention_cursors::Entity::find()
        .filter(retention_cursors::Column::Name.eq("parts"))
        .lock_exclusive();
    turn.one(&db).await.unwrap().unwrap();
    let before = app.equation().await;
    let folder = tempfile::tempdir().unwrap();
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert!(!went_whole(&app, Kind::MySql).await);
    db.rollback().await.unwrap();
    assert_eq!(app.equation().await, before);
}

async fn two_at_once_lose_and_double_nothing(kind: Kind) {
    let app = with_old(kind).await;
    let (known, before) = (keys(&app).await, app.equation().await);
    let folder = tempfile::tempdir().unwrap();
    let cleaners = [0; 3].map(|_| cleaner(&app, folder.path()));
    let runs = cleaners.each_ref().map(|cleaner| cleaner.let_go(RetentionKind::Ledger, WEEK));
    let ended = futures_util::future::join_all(runs).await;
    assert!(ended.iter().any(Result::is_ok), "{ended:?}");
    cleaner(&app, folder.path()).let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    all_went(&app, folder.path(), &known, &before).await;
}

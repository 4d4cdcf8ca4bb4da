//! The ledger is divided by month beside traffic, and months are let go of whole: lost 0, doubled 0.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, Statement};
use waha_ingest::clock::Clock;
use waha_ingest::retention::RetentionKind;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::Store;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::months::MonthTable;
use waha_ingest::store::operations::partition::DivisionState;

use crate::app::TestApp;
use crate::database::{Database, Kind, on_each_database};
use crate::desk::{discard, letters, of, replay};
use crate::process::Setting;
use crate::rows::count;

on_each_database!(
    rows_have_the_month_of_their_body,
    divided_tables_do_what_whole_ones_do,
    a_webhook_from_before_is_known_after,
    a_body_that_was_edited_keeps_its_month,
    a_missing_month_is_made_when_it_is_needed,
    months_are_made_ahead,
    a_month_goes_whole_and_what_status_says_stays,
    dead_letters_and_what_came_late_stay,
    whole_months_that_are_cut_off_are_counted_once,
    it_is_refused_beside_an_older_release,
    steps_are_taken_back_as_far_as_divided_tables_let_them,
    under_load_and_killed_nothing_is_lost_or_doubled,
);

const WEEK: Duration = Duration::from_hours(7 * 24);
pub const DAY_MS: i64 = 24 * 3_600_000;
const PATIENCE: Duration = Duration::from_secs(180);
/// In December 2026 and the following two months; the clock of tests begins in November.
pub const MONTHS_MS: [(i64, i32); 3] =
    [(1_796_500_000_000, 202_612), (1_799_500_000_000, 202_701), (1_801_500_000_000, 202_702)];

pub fn webhooks(seed: u64, count: usize) -> Vec<Sent> {
    let plan = Plan { seed, messages: 600, families: Families::ALL, ..Plan::default() };
    history(&plan).take(count).collect()
}

pub async fn apply(app: &TestApp, webhooks: &[Sent]) {
    for sent in webhooks {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
}

/// A presence: it ends as ignored, and has a row of the ledger.
pub fn told_at(id: &str, ms: i64) -> serde_json::Value {
    serde_json::json!({
        "id": id, "timestamp": ms, "event": "presence.update", "session": "shop", "payload": {},
    })
}

pub async fn divide(store: &Store) {
    for table in MonthTable::ALL {
        store.divide(table).await.unwrap();
    }
}

/// Which months rows of a table have.
pub async fn months(db: &DatabaseConnection, table: &str) -> BTreeSet<i32> {
    let sql = format!("SELECT DISTINCT month FROM {table}");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    rows.unwrap().iter().map(|row| row.try_get("", "month").unwrap()).collect()
}

/// Webhooks that have more than one row.
pub async fn doubled(db: &DatabaseConnection) -> usize {
    let sql = "SELECT webhook_id FROM webhook_events \
               GROUP BY source, session, event_type, webhook_id HAVING COUNT(*) > 1";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    rows.unwrap().len()
}

pub async fn gone(db: &DatabaseConnection) -> i64 {
    let rows = entity::webhook_sums::Entity::find().all(db).await.unwrap();
    rows.iter().map(|row| row.webhooks).sum()
}

async fn rows_have_the_month_of_their_body(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    for (ms, _) in MONTHS_MS {
        app.post_json(&told_at(&format!("evt_{ms}"), ms)).await;
        app.post_json(&told_at(&format!("evt_{ms}"), ms)).await;
    }
    app.post_json(&told_at("evt_seconds", MONTHS_MS[0].0 / 1_000)).await;
    app.post_json(&told_at("evt_never", 0)).await;
    assert!(app.post("no JSON").await.is_success());
    app.work_until_idle().await;
    let told = BTreeSet::from([0, 202_612, 202_701, 202_702]);
    assert_eq!(months(app.db(), "webhook_events").await, told);
    assert_eq!(
        months(app.db(), "webhook_duplicates").await,
        told.iter().copied().skip(1).collect()
    );
}

async fn divided_tables_do_what_whole_ones_do(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let sent = webhooks(1, 600);
    apply(&app, &sent[..300]).await;
    divide(&app.store).await;
    let plan = app.store.plan_division().await.unwrap();
    assert!(plan.is_done() && plan.foreign.is_empty(), "{plan:?}");
    apply(&app, &sent[200..]).await;
    let equation = app.equation().await;
    assert_eq!((equation.accepted, equation.duplicate), (700, 100));
    assert_eq!(equation.balanced, Some(true));
    assert_eq!((count(app.db(), "webhook_events").await, doubled(app.db()).await), (600, 0));
    assert_eq!(count(app.db(), "webhook_bodies").await, 600);
    // A second time there is nothing to do.
    divide(&app.store).await;
    assert_eq!(app.equation().await, equation);
    let health = app.store.health().await.unwrap();
    assert_eq!((health.indexes.missing.len(), health.indexes.foreign.len()), (0, 0), "{health:?}");
}

/// Rows of a release before have month 0, whatever their bodies tell.
async fn a_webhook_from_before_is_known_after(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let sent = webhooks(1, 300);
    apply(&app, &sent).await;
    for table in ["webhook_events", "webhook_bodies"] {
        let before = format!("UPDATE {table} SET month = 0");
        app.db().execute_unprepared(&before).await.unwrap();
    }
    divide(&app.store).await;
    apply(&app, &sent).await;
    let equation = app.equation().await;
    assert_eq!((equation.accepted, equation.duplicate), (600, 300));
    assert_eq!(equation.balanced, Some(true));
    assert_eq!((count(app.db(), "webhook_events").await, doubled(app.db()).await), (300, 0));
    assert_eq!(count(app.db(), "webhook_bodies").await, 300);
}

/// A body that could not be read tells no month; the edited one does.
async fn a_body_that_was_edited_keeps_its_month(kind: Kind) {
    let app = TestApp::start(kind).await;
    divide(&app.store).await;
    assert!(app.post("no JSON").await.is_success());
    app.work_until_idle().await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    let body = webhooks(1, 1)[0].body.clone();
    edit(&app, dead[0].row.id, body).await;
    assert_eq!(replay(&app, &of(&dead)).await, 1);
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert_eq!((equation.accepted, equation.dead_lettered), (1, 0));
    assert_eq!(equation.balanced, Some(true));
    assert_eq!(count(app.db(), "webhook_events").await, 1);
}

async fn edit(app: &TestApp, id: i64, body: Vec<u8>) {
    let table = "UPDATE dead_letters SET body = ";
    let body = hex::encode(body);
    let sql = match app.db().get_database_backend() {
        sea_orm::DbBackend::Postgres => format!("{table} '\\x{body}' WHERE id = {id}"),
        _ => format!("{table} x'{body}' WHERE id = {id}"),
    };
    app.db().execute_unprepared(&sql).await.unwrap();
}

async fn a_missing_month_is_made_when_it_is_needed(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    divide(&app.store).await;
    // Of clocks that are wrong, and of one that is right.
    for ms in [1_932_000_000_000, 4_000_000_000_000, 1_240_000_000_000, MONTHS_MS[2].0] {
        app.post_json(&told_at(&format!("evt_{ms}"), ms)).await;
        app.work_until_idle().await;
        app.post_json(&told_at(&format!("evt_{ms}"), ms)).await;
    }
    app.work_until_idle().await;
    // Somebody has dropped a part that another process knows of.
    if kind == Kind::Postgres {
        app.db().execute_unprepared("DROP TABLE webhook_events_203103").await.unwrap();
        app.db().execute_unprepared("DROP TABLE webhook_duplicates_203103").await.unwrap();
        app.post_json(&told_at("evt_again", 1_932_000_000_000)).await;
        app.work_until_idle().await;
    }
    let equation = app.equation().await;
    assert_eq!((equation.dead_lettered, equation.waiting), (0, 0), "{equation:?}");
    let expected = BTreeSet::from([200_904, 202_702, 203_103, 209_610]);
    assert_eq!(months(app.db(), "webhook_events").await, expected);
}

async fn months_are_made_ahead(kind: Kind) {
    let app = TestApp::start(kind).await;
    assert_eq!(app.store.ensure_months().await.unwrap(), 0, "what is whole has none");
    assert_eq!(app.store.months_ahead().await.unwrap(), None);
    divide(&app.store).await;
    if kind == Kind::Sqlite {
        return;
    }
    assert_eq!(app.store.months_ahead().await.unwrap(), Some(2));
    app.clock.advance(62 * DAY_MS);
    assert_eq!(app.store.months_ahead().await.unwrap(), Some(0));
    assert_eq!(app.store.ensure_months().await.unwrap(), 6);
    assert_eq!(app.store.months_ahead().await.unwrap(), Some(2));
}

/// Half a year of webhooks, each told when it was.
pub async fn grow(app: &TestApp) -> u64 {
    let mut sent = 0;
    for (month, (ms, _)) in MONTHS_MS.into_iter().enumerate() {
        app.clock.advance(ms - app.clock.now_ms());
        for number in 0..60 {
            let id = format!("evt_{month}_{number}");
            app.post_json(&told_at(&id, ms + number)).await;
            if number % 10 == 0 {
                app.post_json(&told_at(&id, ms + number)).await;
                sent += 1;
            }
            sent += 1;
        }
        app.work_until_idle().await;
    }
    sent
}

async fn a_month_goes_whole_and_what_status_says_stays(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    apply(&app, &webhooks(1, 100)).await;
    divide(&app.store).await;
    let grown = grow(&app).await;
    app.clock.advance(20 * DAY_MS);
    let before = app.equation().await;
    assert_eq!((before.accepted, before.balanced), (100 + grown, Some(true)));
    assert_eq!(app.cleaner().let_go(RetentionKind::Ledger, WEEK).await.unwrap(), 220);
    assert_eq!(app.equation().await, before);
    // The month that goes on stays.
    assert_eq!(months(app.db(), "webhook_events").await, BTreeSet::from([202_702]));
    assert_eq!(months(app.db(), "webhook_bodies").await, BTreeSet::from([202_702]));
    assert_eq!(months(app.db(), "webhook_duplicates").await, BTreeSet::from([202_702]));
    assert_eq!(gone(app.db()).await, 220 + 12);
    assert_eq!(app.cleaner().let_go(RetentionKind::Ledger, WEEK).await.unwrap(), 0);
    // What comes again is one more webhook.
    app.post_json(&told_at("evt_0_1", MONTHS_MS[0].0 + 1)).await;
    app.work_until_idle().await;
    let after = app.equation().await;
    assert_eq!((after.accepted, after.balanced), (before.accepted + 1, Some(true)));
    assert_eq!(after.duplicate, before.duplicate);
}

async fn dead_letters_and_what_came_late_stay(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    divide(&app.store).await;
    grow(&app).await;
    // Of a month that is over, and malformed: a letter.
    let broken = format!(r#"{{"id":"evt_broken","timestamp":{},"event":7"#, MONTHS_MS[1].0);
    assert!(app.post(broken).await.is_success());
    app.post_json(&serde_json::json!({
        "id": "evt_odd", "timestamp": MONTHS_MS[1].0, "event": "message", "session": "shop",
        "payload": 7,
    }))
    .await;
    app.work_until_idle().await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(dead.len(), 2);
    app.clock.advance(40 * DAY_MS);
    // Told in December, and received now.
    app.post_json(&told_at("evt_late", MONTHS_MS[0].0)).await;
    app.post_json(&told_at("evt_late", MONTHS_MS[0].0)).await;
    app.work_until_idle().await;
    let before = app.equation().await;
    app.cleaner().let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!(app.equation().await, before);
    assert_eq!(count(app.db(), "webhook_events").await, 3);
    assert_eq!(count(app.db(), "webhook_duplicates").await, 1);
    // Those of dead letters are with them.
    assert_eq!(count(app.db(), "webhook_bodies").await, 1);
    assert_eq!(replay(&app, &of(&dead[..1])).await, 1);
    app.work_until_idle().await;
    assert_eq!(app.equation().await, before);
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(discard(&app, &of(&dead), true).await, 2);
    assert_eq!(doubled(app.db()).await, 0);
}

async fn whole_months_that_are_cut_off_are_counted_once(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    divide(&app.store).await;
    grow(&app).await;
    app.clock.advance(40 * DAY_MS);
    let before = app.equation().await;
    for ms in 0..40 {
        let cleaner = app.cleaner();
        let cut_off = cleaner.let_go(RetentionKind::Ledger, WEEK);
        // Dropped in the middle of whatever it does.
        let _ = tokio::time::timeout(Duration::from_millis(ms * 2), cut_off).await;
        assert_eq!(app.equation().await, before, "after {ms} ms");
    }
    app.cleaner().let_go(RetentionKind::Ledger, WEEK).await.unwrap();
    assert_eq!(app.equation().await, before);
    assert_eq!((count(app.db(), "webhook_events").await, gone(app.db()).await), (0, 198));
}

async fn it_is_refused_beside_an_older_release(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    let db = database.connect().await;
    db.execute_unprepared(
        "INSERT INTO waha_processes (instance, host, pid, version, role, started_at, seen_at, beats) \
         VALUES ('a', 'old-pod', 1, '0.0.9', 'work', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1)",
    )
    .await
    .unwrap();
    let output = setting.run(&["migrate", "partition", "--yes"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if kind == Kind::Sqlite {
        assert!(output.status.success() && told.is_empty(), "{told}");
        return;
    }
    assert!(!output.status.success());
    assert!(told.contains("refused: old-pod runs release 0.0.9"), "{told}");
    db.execute_unprepared("DELETE FROM waha_processes").await.unwrap();
    let view = "CREATE TABLE crm_notes (id BIGINT PRIMARY KEY, webhook_id BIGINT NOT NULL, \
                CONSTRAINT crm_key FOREIGN KEY (webhook_id) REFERENCES webhook_events (id))";
    db.execute_unprepared(view).await.unwrap();
    let output = setting.run(&["migrate", "partition", "--yes"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("foreign key crm_key of"), "{told}");
    db.execute_unprepared("DROP TABLE crm_notes").await.unwrap();
    assert!(setting.run(&["migrate", "partition", "--dry-run"]).status.success());
    let output = setting.run(&["migrate", "partition", "--yes"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
}

/// A part can't lose the column that says what is in it: it is said before anything is done.
async fn steps_are_taken_back_as_far_as_divided_tables_let_them(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    assert!(setting.run(&["migrate", "partition", "--yes"]).status.success());
    let db = database.connect().await;
    let applied = migration::status(&db).await.unwrap().steps;
    let later = applied.iter().rev().position(|(name, _)| name.ends_with("add_months")).unwrap();
    let divides = kind != Kind::Sqlite;
    for arguments in [vec!["--steps", "30"], vec!["--all"]] {
        if !divides {
            continue;
        }
        let output = setting.run(&[&["migrate", "down", "--yes"], &arguments[..]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{told}");
        let why = format!("the {later} after it can be taken back");
        assert!(told.contains("webhook_events") && told.contains(&why), "{told}");
        assert_eq!(migration::status(&db).await.unwrap().steps, applied);
    }
    if later > 0 {
        let steps = later.to_string();
        let output = setting.run(&["migrate", "down", "--yes", "--steps", &steps]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(setting.run(&["migrate", "up"]).status.success());
    }
    assert_eq!(migration::status(&db).await.unwrap().steps, applied);
    if !divides {
        let output = setting.run(&["migrate", "down", "--yes", "--all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The command is killed again and again while a worker writes, repetitions among it.
async fn under_load_and_killed_nothing_is_lost_or_doubled(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment = vec![("WAHA_INGEST__LEDGER__BODY_CODEC", "zstd".to_owned())];
    let mut up = setting.up().await;
    let plan = Plan { seed: 1, messages: 4_000, families: Families::ALL, ..Plan::default() };
    let sent: Vec<Sent> = history(&plan).take(4_000).collect();
    send(&setting, &sent[..2_000]).await;
    setting.settled(PATIENCE).await;
    let db = database.connect().await;
    // Some are of a release before.
    for table in ["webhook_events", "webhook_bodies"] {
        let key = if table == "webhook_events" { "id" } else { "webhook_event_id" };
        let before = format!("UPDATE {table} SET month = 0 WHERE {key} % 2 = 0");
        db.execute_unprepared(&before).await.unwrap();
    }
    let store = crate::app::open_store(&database, crate::app::clock()).await;
    let is_done = async || store.plan_division().await.unwrap().is_done();
    for (rounds, part) in (0_u64..).zip(sent.chunks(250).cycle().take(32)) {
        let run = async {
            if is_done().await {
                return;
            }
            let mut run = setting.spawn(&["migrate", "partition", "--yes"]);
            tokio::time::sleep(Duration::from_millis(60 + rounds * 40)).await;
            run.kill();
        };
        tokio::join!(run, send(&setting, part));
    }
    let output = setting.run(&["migrate", "partition", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan = store.plan_division().await.unwrap();
    assert!(plan.tables.iter().all(|it| it.state == DivisionState::Divided), "{plan:?}");
    send(&setting, &sent).await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!((&status["accepted"], &status["duplicate"]), (&14_000.into(), &10_000.into()));
    assert_eq!(status["dead_lettered"], 0, "{status}");
    assert_eq!((count(&db, "webhook_events").await, doubled(&db).await), (4_000, 0));
    assert_eq!(count(&db, "webhook_duplicates").await, 10_000);
    assert_eq!(up.terminate(), Some(0));
}

async fn send(setting: &Setting<'_>, webhooks: &[Sent]) {
    let webhooks = Vec::from(webhooks).into_iter();
    let report = send_all(setting.sending(16), webhooks, || ()).await.unwrap();
    assert_eq!((report.lost, report.accepted), (0, report.sent));
}

//! Months of the ledger go, and what `status` says stays the same: lost 0, doubled 0, whatever is cut off.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, Order, Statement};
use waha_ingest::normalize::normalize;
use waha_ingest::queue::{BatchLimit, Lane, Queue};
use waha_ingest::retention::{Retention, RetentionError, RetentionKind};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::history::{LedgerFilter, LedgerRow};
use waha_ingest::store::operations::page::RowPage;
use waha_ingest::webhook::Webhook;

use crate::app::TestApp;
use crate::database::{Database, Kind, on_each_database};
use crate::desk::{discard, letters, of, replay};
use crate::process::Setting;
use crate::rows::count;

on_each_database!(
    months_go_and_what_status_says_stays,
    what_waits_keeps_what_is_younger,
    a_delivery_that_comes_again_is_counted_once,
    a_row_stays_as_long_as_its_dead_letter,
    what_is_read_again_does_not_come_back,
    beside_traffic_and_one_another_all_is_counted_once,
    cut_off_anywhere_all_is_counted_once,
    killed_at_random_nothing_is_lost_or_doubled,
);

const WEEK: Duration = Duration::from_hours(7 * 24);
/// From November into December, more than a week.
const TO_DECEMBER_MS: i64 = 25 * 24 * 3_600_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Lets go of what is older than the month that ended a week ago.
async fn drop_ledger(app: &TestApp) -> u64 {
    app.cleaner().let_go(RetentionKind::Ledger, WEEK).await.unwrap()
}

fn webhooks(seed: u64, count: usize) -> Vec<Sent> {
    let plan = Plan { seed, messages: 600, families: Families::ALL, ..Plan::default() };
    history(&plan).take(count).collect()
}

/// Posts and applies these.
async fn apply(app: &TestApp, webhooks: &[Sent]) {
    for sent in webhooks {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
}

/// What the ledger has by month and outcome, counted by its rows.
async fn counted(app: &TestApp) -> BTreeMap<(i32, String), i64> {
    let mut counted = BTreeMap::new();
    let by_outcome = "SELECT month, outcome, COUNT(*) AS n FROM webhook_events \
                      GROUP BY month, outcome UNION ALL \
                      SELECT month, 'duplicate', COUNT(*) FROM webhook_duplicates GROUP BY month";
    let statement = Statement::from_string(app.db().get_database_backend(), by_outcome);
    for row in app.db().query_all_raw(statement).await.unwrap() {
        let n: i64 = row.try_get("", "n").unwrap();
        let month = match row.try_get("", "month").unwrap() {
            // That of its arrival.
            0 => 202_611,
            month => month,
        };
        *counted.entry((month, row.try_get("", "outcome").unwrap())).or_default() += n;
    }
    counted
}

/// What is kept of what is gone.
async fn sums(app: &TestApp) -> BTreeMap<(i32, String), i64> {
    let rows = entity::webhook_sums::Entity::find().all(app.db()).await.unwrap();
    rows.into_iter().map(|row| ((row.month, row.outcome), row.webhooks)).collect()
}

async fn months_go_and_what_status_says_stays(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let old = webhooks(1, 1_200);
    apply(&app, &old).await;
    apply(&app, &old[..40]).await;
    let expected = counted(&app).await;
    assert!(expected.len() >= 3, "applied, ignored and repeated ones: {expected:?}");
    app.clock.advance(TO_DECEMBER_MS);
    apply(&app, &webhooks(2, 50)).await;
    let before = app.equation().await;
    assert_eq!((before.balanced, before.duplicate > 0), (Some(true), true));

    let retention = Retention { ledger_age_max: Some(WEEK), ..Retention::default() };
    let planned = app.cleaner().plan(&retention).await.unwrap();
    let planned = planned.iter().find(|it| it.kind == RetentionKind::Ledger).unwrap().removable;
    let gone = drop_ledger(&app).await;

    assert_eq!(planned.rows.unsigned_abs(), gone);
    assert!(planned.bytes > planned.rows * 100, "{planned:?}");
    assert_eq!(sums(&app).await, expected);
    assert_eq!(count(app.db(), "webhook_bodies").await, count(app.db(), "webhook_events").await);
    assert_eq!(app.equation().await, before);
    assert_eq!(drop_ledger(&app).await, 0);
    assert_eq!(app.equation().await, before);
    // What comes again is one more webhook, which changes no row.
    apply(&app, &old[..1]).await;
    let after = app.equation().await;
    assert_eq!((after.accepted, after.balanced), (before.accepted + 1, Some(true)));
    assert_eq!(after.duplicate, before.duplicate);
}

async fn what_waits_keeps_what_is_younger(kind: Kind) {
    let app = TestApp::start(kind).await;
    apply(&app, &webhooks(1, 30)).await;
    app.clock.advance(1_000);
    assert!(app.post(webhooks(2, 1)[0].body.clone()).await.is_success());
    app.clock.advance(1_000);
    for sent in webhooks(3, 20) {
        assert!(app.post(sent.body).await.is_success());
    }
    app.clock.advance(TO_DECEMBER_MS);
    let before = app.equation().await;
    assert_eq!(drop_ledger(&app).await, 30, "what was received before the oldest that waits");
    assert_eq!(app.equation().await, before);
    let cleaner = app.cleaner();
    let blind = waha_ingest::retention::Cleaner { queue: None, ..cleaner };
    let refused = blind.let_go(RetentionKind::Ledger, WEEK).await.unwrap_err();
    assert!(matches!(refused, RetentionError::WaitingUnknown), "{refused:?}");
    app.work_until_idle().await;
    assert_eq!(app.equation().await.balanced, Some(true));
}

/// A worker that was killed between its commit and its ack: the delivery comes again, however late.
async fn a_delivery_that_comes_again_is_counted_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.publish_all(webhooks(1, 40)).await;
    let mut held = Vec::new();
    for lane in Lane::ALL {
        let limit = BatchLimit { count_max: 100, bytes_max: 1 << 24 };
        held.extend(app.queue.receive(lane, limit, Duration::ZERO).await.unwrap());
    }
    let webhooks: Vec<Webhook> = held.iter().map(|delivery| delivery.webhook().clone()).collect();
    let rules = app.worker.rules.clone();
    let task = |webhook| {
        let normalized = normalize(webhook, &rules).ok()?;
        Some(ApplyTask { webhook, attempts: 1, normalized })
    };
    let tasks: Vec<ApplyTask<'_>> = webhooks.iter().filter_map(task).collect();
    assert_eq!(tasks.len(), held.len());
    app.store.apply(&tasks).await.unwrap();
    app.clock.advance(TO_DECEMBER_MS);
    assert_eq!(drop_ledger(&app).await, 0, "they are still in the queue");
    drop(held);
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert_eq!((equation.balanced, equation.accepted, equation.duplicate), (Some(true), 40, 0));
    assert_eq!(drop_ledger(&app).await, 40);
    assert_eq!(app.equation().await, equation);
}

async fn a_row_stays_as_long_as_its_dead_letter(kind: Kind) {
    let app = TestApp::start(kind).await;
    for body in ["one", "two", "three"] {
        assert!(app.post(body).await.is_success());
    }
    apply(&app, &webhooks(1, 20)).await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(discard(&app, &of(&dead[..1]), true).await, 1);
    app.clock.advance(TO_DECEMBER_MS);
    let before = app.equation().await;
    assert_eq!(drop_ledger(&app).await, 20);
    assert_eq!(app.equation().await, before);
    // Replayed they end as they would have; here they can't be read again.
    assert_eq!(replay(&app, &of(&dead[1..])).await, 2);
    app.work_until_idle().await;
    assert_eq!(app.equation().await, before);
    // Without its letter a row goes with the next pass from the beginning.
    let gone = app.cleaner().let_go(RetentionKind::DeadLetters, WEEK).await.unwrap();
    assert_eq!(gone, 1);
    app.clock.advance(8 * 24 * 3_600_000);
    assert_eq!(drop_ledger(&app).await, 1);
    assert_eq!(app.equation().await, before);
    assert_eq!(count(app.db(), "webhook_events").await, 2);
}

/// As `webhooks renormalize` does that has read a page before its rows went.
async fn what_is_read_again_does_not_come_back(kind: Kind) {
    let app = TestApp::start(kind).await;
    apply(&app, &webhooks(1, 30)).await;
    let page = RowPage::first(100);
    let rows = app.store.history(&LedgerFilter::default(), page, Order::Asc).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let bodies = app.store.bodies(&ids).await.unwrap();
    let webhook = |row: &LedgerRow| row.webhook(bodies[&row.id].clone().unwrap());
    let webhooks: Vec<Webhook> = rows.iter().map(webhook).collect();
    app.clock.advance(TO_DECEMBER_MS);
    let before = app.equation().await;
    let rules = app.worker.rules.clone();
    let task = |webhook| {
        let normalized = normalize(webhook, &rules).unwrap();
        ApplyTask { webhook, attempts: 1, normalized }
    };
    let tasks: Vec<ApplyTask<'_>> = webhooks.iter().map(task).collect();
    app.store.apply_again(&tasks).await.unwrap();
    assert_eq!(drop_ledger(&app).await, 30);
    app.store.apply_again(&tasks).await.unwrap_err();
    assert_eq!(count(app.db(), "webhook_events").await, 0);
    assert_eq!(app.equation().await, before);
}

async fn beside_traffic_and_one_another_all_is_counted_once(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let old = webhooks(1, 900);
    apply(&app, &old).await;
    app.clock.advance(TO_DECEMBER_MS);
    let (one, other) = (app.cleaner(), app.cleaner());
    let traffic = async {
        for part in old.chunks(100) {
            apply(&app, part).await;
        }
    };
    let drop = |cleaner: waha_ingest::retention::Cleaner| async move {
        let mut gone = 0;
        for _ in 0..20 {
            // What waits just now may be unknown; a deadlock is tried again.
            gone += cleaner.let_go(RetentionKind::Ledger, WEEK).await.unwrap_or_default();
        }
        gone
    };
    tokio::join!(traffic, drop(one), drop(other));
    drop_ledger(&app).await;
    let equation = app.equation().await;
    assert_eq!((equation.balanced, equation.accepted), (Some(true), 1_800), "{equation:?}");
    let gone: i64 = sums(&app).await.into_values().sum();
    let kept =
        count(app.db(), "webhook_events").await + count(app.db(), "webhook_duplicates").await;
    assert_eq!(gone + kept, 1_800);
    assert_eq!(count(app.db(), "webhook_bodies").await, count(app.db(), "webhook_events").await);
}

async fn cut_off_anywhere_all_is_counted_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let old = webhooks(1, 1_500);
    apply(&app, &old).await;
    apply(&app, &old[..100]).await;
    let expected = counted(&app).await;
    app.clock.advance(TO_DECEMBER_MS);
    let before = app.equation().await;
    for ms in 0..40 {
        let cleaner = app.cleaner();
        let cut_off = cleaner.let_go(RetentionKind::Ledger, WEEK);
        // Dropped in the middle of whatever it does.
        let _ = tokio::time::timeout(Duration::from_millis(ms), cut_off).await;
        assert_eq!(app.equation().await, before, "after {ms} ms");
    }
    drop_ledger(&app).await;
    assert_eq!(app.equation().await, before);
    assert_eq!(sums(&app).await, expected);
}

/// The command is killed again and again while the process that works is, too.
async fn killed_at_random_nothing_is_lost_or_doubled(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment = vec![
        ("WAHA_INGEST__RETENTION__LEDGER_DAYS", "7".to_owned()),
        ("WAHA_INGEST__RETENTION__ROWS_PER_SECOND", "1000000".to_owned()),
    ];
    let mut up = setting.up().await;
    send(&setting, 1, 3_000).await;
    setting.settled(PATIENCE).await;
    let db = database.connect().await;
    age(&db).await;
    for round in 0..6_u64 {
        let mut run = setting.spawn(&["retention", "run", "--yes"]);
        send(&setting, 2 + round, 200).await;
        tokio::time::sleep(Duration::from_millis(round * 37)).await;
        run.kill();
        up.kill();
        let status = setting.status();
        assert_eq!(status["balanced"], true, "round {round}: {status}");
        up = setting.up().await;
    }
    let status = setting.settled(PATIENCE).await;
    let output = setting.run(&["retention", "run", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = setting.status();
    assert_eq!(after["balanced"], true, "{after}");
    for count in ["accepted", "applied", "duplicate", "ignored", "dead_lettered", "uncertain"] {
        assert_eq!(after[count], status[count], "{count}");
    }
    let rows = entity::webhook_sums::Entity::find().all(&db).await.unwrap();
    let gone: i64 = rows.iter().map(|row| row.webhooks).sum();
    assert_eq!(gone, 3_000, "{rows:?}");
    assert_eq!(up.terminate(), Some(0));
}

async fn send(setting: &Setting<'_>, seed: u64, count: usize) {
    let plan = Plan { seed, messages: 4_000, families: Families::ALL, ..Plan::default() };
    let webhooks = history(&plan).take(count);
    let report = waha_ingest::sender::send_all(setting.sending(16), webhooks, || ()).await.unwrap();
    assert_eq!((report.lost, report.accepted), (0, report.sent));
}

/// As if all had come long ago.
pub async fn age(db: &sea_orm::DatabaseConnection) {
    let long_ago = match db.get_database_backend() {
        sea_orm::DbBackend::Sqlite => "2025-03-05T10:00:00+00:00",
        _ => "2025-03-05 10:00:00",
    };
    let sql = format!("UPDATE webhook_events SET received_at = '{long_ago}'");
    db.execute_unprepared(&sql).await.unwrap();
}

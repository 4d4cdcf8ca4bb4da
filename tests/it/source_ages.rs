//! Sources keep messages, calls, states of sessions and bodies for a time of their own; what others have stays.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use tokio_util::sync::CancellationToken;
use waha_ingest::clock::Clock;
use waha_ingest::queue::Queue;
use waha_ingest::retention::{self, OwnAge, PlannedRetention, Retention, RetentionKind};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::operations::retention::OfSources;

use entity::retention_cursors;

use crate::app::{TestApp, webhook_of};
use crate::database::{Kind, on_each_database};
use crate::process::Setting;
use crate::wait::wait_for;

on_each_database!(
    each_source_is_kept_for_its_own_time,
    a_source_that_gets_an_age_and_loses_it_goes_by_the_one_that_holds,
    a_pass_goes_on_where_the_last_one_of_its_sources_got_to,
    cut_off_anywhere_nothing_of_another_source_goes,
);

const DAY: Duration = Duration::from_hours(24);
/// Longer ago than anything is.
const AGES: Duration = Duration::from_hours(20 * 366 * 24);
const PATIENCE: Duration = Duration::from_secs(120);
const KINDS: [RetentionKind; 4] =
    [RetentionKind::Bodies, RetentionKind::Messages, RetentionKind::Calls, RetentionKind::Statuses];

fn webhooks(seed: u64, count: usize) -> Vec<Sent> {
    let plan = Plan { seed, messages: 600, families: Families::ALL, ..Plan::default() };
    history(&plan).take(count).collect()
}

/// The same of each of these sources, in turn, and ten years ago.
async fn with_old(kind: Kind, count: usize, sources: &[&str]) -> TestApp {
    let app = TestApp::start_packing(kind).await;
    for sent in webhooks(1, count) {
        for source in sources {
            app.queue.publish(webhook_of(source, &sent)).await.unwrap();
        }
    }
    app.work_until_idle().await;
    app.clock.advance(3_650 * 24 * 3_600_000);
    app
}

fn own(source: &str, kind: RetentionKind, age_max: Option<Duration>) -> OwnAge {
    OwnAge { source: source.to_owned(), kind, age_max }
}

/// All kinds by this age, and by another one of each of these sources.
fn ages(of_all: Option<Duration>, own_ages: &[(&str, Option<Duration>)]) -> Retention {
    let all = |(source, age_max): &(&str, Option<Duration>)| {
        KINDS.map(|kind| own(source, kind, *age_max))
    };
    Retention {
        bodies_age_max: of_all,
        messages_age_max: of_all,
        calls_age_max: of_all,
        statuses_age_max: of_all,
        own_ages: own_ages.iter().flat_map(all).collect(),
        ..Retention::default()
    }
}

/// Rows of a kind that a source has.
async fn of_source(app: &TestApp, kind: RetentionKind, source: &str) -> BTreeSet<i64> {
    let from = match kind {
        RetentionKind::Bodies => {
            "webhook_bodies r JOIN webhook_events o ON o.id = r.webhook_event_id".to_owned()
        }
        _ => format!("{} r JOIN waha_sessions o ON o.id = r.session_id", kind.tables()[0]),
    };
    let id = if kind == RetentionKind::Bodies { "webhook_event_id" } else { "id" };
    let sql = format!("SELECT r.{id} AS id FROM {from} WHERE o.source = '{source}'");
    let statement = Statement::from_string(app.db().get_database_backend(), sql);
    let rows = app.db().query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get::<i64>("", "id").unwrap()).collect()
}

async fn all_of(app: &TestApp, source: &str) -> Vec<BTreeSet<i64>> {
    let mut all = Vec::new();
    for kind in KINDS {
        all.push(of_source(app, kind, source).await);
    }
    all
}

async fn told(app: &TestApp) -> BTreeSet<(String, i64)> {
    let changes = entity::waha_changes::Entity::find().all(app.db()).await.unwrap();
    let kinds = ["message.deleted", "call.deleted", "session.status.deleted"];
    let told = changes.into_iter().filter(|it| kinds.contains(&it.kind.as_str()));
    told.map(|it| (it.kind, it.row_id)).collect()
}

/// As the command does.
async fn clean(app: &TestApp, retention: &Retention) {
    for kind in KINDS {
        for age in retention.ages(kind) {
            let Some(age_max) = age.age_max else { continue };
            app.cleaner().let_go_of(kind, age.sources, age_max).await.unwrap();
        }
    }
}

/// As the daily job does, until nothing is left to do.
async fn clean_daily(app: &TestApp, retention: &Retention) {
    use chrono::Timelike;
    let hour = app.clock.now().hour();
    let stop = CancellationToken::new();
    let scheduled = Retention { hour, ..retention.clone() };
    let job = tokio::spawn(retention::run(app.cleaner(), scheduled, stop.clone()));
    let is_done = || async {
        let planned = app.cleaner().plan(retention).await.unwrap();
        planned.iter().all(|it| it.removable.rows == 0).then_some(())
    };
    wait_for("all that is old to go", PATIENCE, is_done).await;
    stop.cancel();
    job.await.unwrap();
}

fn planned_of(
    planned: &[PlannedRetention],
    kind: RetentionKind,
    source: &str,
) -> (String, bool, i64) {
    let of_source = |it: &&PlannedRetention| {
        it.kind == kind
            && match &it.sources {
                OfSources::All => true,
                OfSources::Only(only) => only == source,
                OfSources::Without(others) => !others.contains(source),
            }
    };
    let mut found = planned.iter().filter(of_source);
    let it = found.next().unwrap();
    assert!(found.next().is_none(), "{source} has one age");
    (it.setting.clone(), it.before.is_some(), it.removable.rows)
}

async fn each_source_is_kept_for_its_own_time(kind: Kind) {
    let app = with_old(kind, 1_500, &["default", "shop", "vip"]).await;
    let before = all_of(&app, "default").await;
    assert!(before.iter().all(|rows| !rows.is_empty()), "{before:?}");
    let (shop, vip) = (all_of(&app, "shop").await, all_of(&app, "vip").await);
    let equation = app.equation().await;
    let kept = ages(Some(DAY), &[("shop", Some(AGES)), ("vip", None)]);
    let planned = app.cleaner().plan(&kept).await.unwrap();
    for (index, kind) in KINDS.into_iter().enumerate() {
        let of_all = planned_of(&planned, kind, "default");
        assert_eq!((of_all.0.as_str(), of_all.1), (kind.setting(), true));
        let going = usize::try_from(of_all.2).unwrap();
        assert!(going > 0 && going <= before[index].len(), "{of_all:?}");
        let setting = format!("retention.sources.shop.{}", kind.own_setting().unwrap());
        assert_eq!(planned_of(&planned, kind, "shop"), (setting.clone(), true, 0));
        let setting = setting.replace("shop", "vip");
        assert_eq!(planned_of(&planned, kind, "vip"), (setting, false, 0));
    }

    clean_daily(&app, &kept).await;

    let after = all_of(&app, "default").await;
    for (index, kind) in KINDS.into_iter().enumerate() {
        let gone = before[index].len() - after[index].len();
        let should = planned_of(&planned, kind, "default").2;
        assert_eq!(gone, usize::try_from(should).unwrap(), "{kind:?}");
    }
    assert_eq!(all_of(&app, "shop").await, shop, "nothing of a source that is kept for longer");
    assert_eq!(all_of(&app, "vip").await, vip, "nothing of a source that is kept for ever");
    let went: usize = (1..4).map(|index| before[index].len() - after[index].len()).sum();
    assert_eq!(told(&app).await.len(), went);
    assert_eq!(app.equation().await, equation);

    clean(&app, &ages(None, &[("shop", Some(DAY))])).await;

    let left = all_of(&app, "shop").await;
    let counts = |all: &[BTreeSet<i64>]| all.iter().map(BTreeSet::len).collect::<Vec<usize>>();
    assert_eq!(counts(&left), counts(&after), "of the same webhooks the same stays");
    assert_eq!(all_of(&app, "vip").await, vip);
    assert_eq!(all_of(&app, "default").await, after);
    assert_eq!(app.equation().await, equation);
}

/// Whatever held before, the age that holds now decides at once, not with next week's walk.
async fn a_source_that_gets_an_age_and_loses_it_goes_by_the_one_that_holds(kind: Kind) {
    let app = with_old(kind, 700, &["default", "shop"]).await;
    let shop = all_of(&app, "shop").await;
    clean(&app, &ages(Some(AGES), &[])).await;
    assert_eq!(all_of(&app, "shop").await, shop);
    clean(&app, &ages(Some(DAY), &[("shop", None)])).await;
    assert_eq!(all_of(&app, "shop").await, shop);
    clean(&app, &ages(Some(DAY), &[])).await;
    let (shop, default) = (all_of(&app, "shop").await, all_of(&app, "default").await);
    assert!(shop[0].is_empty() && default[0].is_empty());
    assert_eq!(shop[1].len(), default[1].len());
}

async fn cursors(app: &TestApp) -> BTreeSet<(String, i64, bool)> {
    let rows = retention_cursors::Entity::find().all(app.db()).await.unwrap();
    rows.into_iter().map(|row| (row.name, row.cursor_id, row.walked_at.is_some())).collect()
}

async fn a_pass_goes_on_where_the_last_one_of_its_sources_got_to(kind: Kind) {
    let app = with_old(kind, 700, &["default", "shop"]).await;
    let retention = ages(Some(DAY), &[("shop", Some(DAY * 2))]);
    clean(&app, &retention).await;
    let first = cursors(&app).await;
    // Of each kind one for the source and one for the others, each at the end of its table.
    assert_eq!(first.len(), 2 * KINDS.len(), "{first:?}");
    assert!(first.iter().all(|(_, cursor, is_walked)| *cursor > 0 && *is_walked), "{first:?}");
    clean(&app, &retention).await;
    assert_eq!(cursors(&app).await, first);
    for sent in webhooks(2, 700) {
        app.queue.publish(webhook_of("shop", &sent)).await.unwrap();
    }
    app.work_until_idle().await;
    app.clock.advance(3 * 24 * 3_600_000);
    clean(&app, &ages(Some(DAY), &[("shop", Some(DAY * 2))])).await;
    let moved =
        |set: &BTreeSet<(String, i64, bool)>| set.iter().map(|(_, cursor, _)| *cursor).sum::<i64>();
    assert!(moved(&cursors(&app).await) > moved(&first));
    assert!(of_source(&app, RetentionKind::Bodies, "shop").await.is_empty());
}

async fn cut_off_anywhere_nothing_of_another_source_goes(kind: Kind) {
    let app = with_old(kind, 700, &["default", "shop"]).await;
    let (default, equation) = (all_of(&app, "default").await, app.equation().await);
    for ms in (0..60).step_by(3) {
        for of in KINDS {
            let (cleaner, shop) = (app.cleaner(), OfSources::Only("shop".to_owned()));
            let cut_off = cleaner.let_go_of(of, shop, DAY);
            let _ = tokio::time::timeout(Duration::from_millis(ms), cut_off).await;
        }
        assert_eq!(app.equation().await, equation, "after {ms} ms");
    }
    clean(&app, &ages(None, &[("shop", Some(DAY))])).await;
    assert!(of_source(&app, RetentionKind::Bodies, "shop").await.is_empty());
    assert_eq!(all_of(&app, "default").await, default);
    assert_eq!(app.equation().await, equation);
}

/// The commands say it of each source, and a run does it.
#[tokio::test(flavor = "multi_thread")]
async fn the_plan_tells_it_of_each_source() {
    let app = with_old(Kind::Sqlite, 1_500, &["default", "shop"]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &app.database_url);
    setting.environment = vec![
        ("WAHA_INGEST__SOURCES__SHOP__HMAC_KEYS", "another".to_owned()),
        ("WAHA_INGEST__RETENTION__CALL_DAYS", "1".to_owned()),
        ("WAHA_INGEST__RETENTION__SOURCES__SHOP__CALL_DAYS", "0".to_owned()),
        ("WAHA_INGEST__RETENTION__SOURCES__DEFAULT__STATUS_DAYS", "2".to_owned()),
        ("WAHA_INGEST__FEED__KEEP_DAYS", "0".to_owned()),
        ("WAHA_INGEST__RETENTION__PROBE_DAYS", "0".to_owned()),
    ];
    // The command asks the machine's clock.
    for table in ["waha_calls", "waha_session_statuses"] {
        let sql = format!("UPDATE {table} SET created_at = '2020-01-01T00:00:00+00:00'");
        app.db().execute_unprepared(&sql).await.unwrap();
    }
    let run = |arguments: &[&str]| {
        let output = setting.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&["retention", "plan"]);
    let lines: Vec<&str> = said.lines().collect();
    let at = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    let calls = at("calls ");
    let kept = "kept: retention.sources.shop.call_days = 0";
    assert!(lines[calls + 1].starts_with("  of shop") && lines[calls + 1].contains(kept), "{said}");
    let statuses = at("statuses ");
    assert!(lines[statuses].contains("kept: retention.status_days = 0"), "{said}");
    assert!(lines[statuses + 1].starts_with("  of default "), "{said}");
    let planned: serde_json::Value =
        serde_json::from_str(&run(&["retention", "plan", "--json"])).unwrap();
    let planned = planned["kinds"].as_array().unwrap();
    let rows = |kind: &str, source: Option<&str>| {
        let found = planned.iter().find(|it| it["kind"] == kind && it["source"].as_str() == source);
        found.unwrap()["rows"].as_u64().unwrap()
    };
    let calls = of_source(&app, RetentionKind::Calls, "default").await.len() as u64;
    assert_eq!((rows("calls", None), rows("calls", Some("shop"))), (calls, 0));
    let statuses = rows("statuses", Some("default"));
    assert!(statuses > 0);
    let gone: serde_json::Value =
        serde_json::from_str(&run(&["retention", "run", "--yes", "--json"])).unwrap();
    assert_eq!(gone, serde_json::json!({ "calls": calls, "statuses": statuses }));
    assert!(of_source(&app, RetentionKind::Calls, "default").await.is_empty());
    assert!(!of_source(&app, RetentionKind::Calls, "shop").await.is_empty());
}

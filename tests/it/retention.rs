//! Bodies are kept for the configured days, the ledger's rows for ever.

use std::time::Duration;

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use waha_ingest::retention::{Retention, RetentionKind};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::audit::{AuditAction, AuditEntry};
use waha_ingest::store::operations::settlement::Settlement;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::desk::{actor, discard, letters, of, replay};
use crate::process::Setting;
use crate::rows::count;

on_each_database!(
    old_bodies_are_let_go_and_repetitions_still_known,
    a_pass_begins_where_the_last_one_got_to,
    a_walk_finds_what_came_out_of_order,
    packed_bodies_are_let_go_like_plain_ones,
    settled_dead_letters_go_and_those_that_wait_stay,
    the_audit_log_keeps_what_the_equation_counts,
    what_is_planned_is_what_goes,
);

const DAY: Duration = Duration::from_hours(24);
const HOURS_25_MS: i64 = 25 * 3_600_000;

/// More than one statement lets go of.
const OLD: usize = 700;

/// Lets go of all bodies that are older than a day; returns how many.
pub async fn forget(app: &TestApp) -> u64 {
    app.cleaner().let_go(RetentionKind::Bodies, DAY).await.unwrap()
}

async fn old_bodies_are_let_go_and_repetitions_still_known(kind: Kind) {
    let app = TestApp::start(kind).await;
    let plan = Plan { messages: 300, families: Families::ALL, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(OLD + 5).collect();
    let (old, new) = webhooks.split_at(OLD);
    for sent in old {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.clock.advance(i64::try_from(DAY.as_millis()).unwrap() + 1);
    for sent in new {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
    let before = app.equation().await;

    forget(&app).await;

    assert_eq!(bodies(&app).await, new.len() as u64);
    assert_eq!(app.equation().await, before);
    assert!(app.post(old[0].body.clone()).await.is_success());
    app.work_until_idle().await;
    assert_eq!(app.equation().await.duplicate, before.duplicate + 1);
}

/// Posts and applies so many webhooks.
async fn apply(app: &TestApp, webhooks: &[Sent]) {
    for sent in webhooks {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
}

async fn a_pass_begins_where_the_last_one_got_to(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks: Vec<Sent> = history(&Plan::default()).take(90).collect();
    let mut days = webhooks.chunks(30);
    apply(&app, days.next().unwrap()).await;
    app.clock.advance(HOURS_25_MS);
    apply(&app, days.next().unwrap()).await;
    forget(&app).await;
    assert_eq!(bodies(&app).await, 30);
    let first = cursor(&app).await;
    assert!(first.walked_at.is_some());
    // A pass with nothing to do moves nothing.
    forget(&app).await;
    assert_eq!(cursor(&app).await, first);
    // What is before the cursor is not looked at again.
    give_back_a_body(&app).await;
    app.clock.advance(HOURS_25_MS);
    apply(&app, days.next().unwrap()).await;
    forget(&app).await;
    assert_eq!(bodies(&app).await, 30 + 1);
    let second = cursor(&app).await;
    assert!(second.cursor_id > first.cursor_id, "{second:?}");
    assert_eq!(second.walked_at, first.walked_at);
}

async fn a_walk_finds_what_came_out_of_order(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks: Vec<Sent> = history(&Plan::default()).take(60).collect();
    let (old, new) = webhooks.split_at(30);
    apply(&app, old).await;
    app.clock.advance(HOURS_25_MS);
    forget(&app).await;
    assert_eq!(bodies(&app).await, 0);
    give_back_a_body(&app).await;
    forget(&app).await;
    assert_eq!(bodies(&app).await, 1);
    app.clock.advance(7 * HOURS_25_MS);
    apply(&app, new).await;
    forget(&app).await;
    assert_eq!(bodies(&app).await, new.len() as u64);
}

/// As a replay does that ends well.
async fn give_back_a_body(app: &TestApp) {
    use entity::webhook_events::{ActiveModel, Column, Entity};
    let oldest = Entity::find().order_by_asc(Column::Id).one(app.db()).await.unwrap().unwrap();
    assert_eq!(oldest.body, None);
    let given = ActiveModel {
        id: Unchanged(oldest.id),
        body: Set(Some(b"{}".to_vec())),
        ..ActiveModel::default()
    };
    Entity::update(given).exec(app.db()).await.unwrap();
}

async fn cursor(app: &TestApp) -> entity::retention_cursors::Model {
    entity::retention_cursors::Entity::find().one(app.db()).await.unwrap().unwrap()
}

async fn bodies(app: &TestApp) -> u64 {
    use entity::webhook_events::{Column, Entity};
    Entity::find().filter(Column::Body.is_not_null()).count(app.db()).await.unwrap()
}

async fn packed_bodies_are_let_go_like_plain_ones(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let webhooks: Vec<Sent> = history(&Plan::default()).take(90).collect();
    let (old, new) = webhooks.split_at(60);
    apply(&app, old).await;
    app.clock.advance(HOURS_25_MS);
    apply(&app, new).await;
    let (before, packed) = (app.equation().await, count(app.db(), "webhook_bodies").await);
    assert_eq!((bodies(&app).await, packed), (0, 90));
    assert_eq!(forget(&app).await, 60);
    assert_eq!(count(app.db(), "webhook_bodies").await, 30);
    assert_eq!(app.equation().await, before);
    // What came again is known, and its body does not come back.
    assert!(app.post(old[0].body.clone()).await.is_success());
    app.work_until_idle().await;
    assert_eq!(app.equation().await.duplicate, before.duplicate + 1);
    assert_eq!(count(app.db(), "webhook_bodies").await, 30);
}

/// Four dead letters: one waits, one is discarded, one discarded and taken back, one discarded later.
async fn settle_some(app: &TestApp) {
    for body in ["one", "two", "three", "four"] {
        assert!(app.post(body).await.is_success());
    }
    app.work_until_idle().await;
    let dead = letters(app, DeadLetterState::Pending).await;
    assert_eq!(discard(app, &of(&dead[..2]), true).await, 2);
    assert_eq!(discard(app, &of(&dead[1..2]), false).await, 1);
    app.clock.advance(HOURS_25_MS);
    assert_eq!(discard(app, &of(&dead[2..3]), true).await, 1);
}

async fn settled_dead_letters_go_and_those_that_wait_stay(kind: Kind) {
    let app = TestApp::start(kind).await;
    settle_some(&app).await;
    let before = app.equation().await;
    let gone = app.cleaner().let_go(RetentionKind::DeadLetters, DAY).await;
    assert_eq!(gone.unwrap(), 1);
    assert_eq!(letters(&app, DeadLetterState::Pending).await.len(), 2);
    assert_eq!(letters(&app, DeadLetterState::Discarded).await.len(), 1);
    assert_eq!(app.equation().await, before);
    // Those that wait can be replayed, however old they are.
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(replay(&app, &of(&dead)).await, 2);
    app.work_until_idle().await;
    assert_eq!(app.equation().await.balanced, Some(true));
}

async fn the_audit_log_keeps_what_the_equation_counts(kind: Kind) {
    let app = TestApp::start(kind).await;
    let actor = actor();
    for action in [AuditAction::Read, AuditAction::Import, AuditAction::Discard] {
        let entry = AuditEntry { affected: 7, ..AuditEntry::new(action, &actor) };
        app.store.record(&entry).await.unwrap();
    }
    app.store.settle(&Settlement { lost: 3, ..Settlement::default() }, &actor, None).await.unwrap();
    app.clock.advance(HOURS_25_MS);
    app.store.record(&AuditEntry::new(AuditAction::Read, &actor)).await.unwrap();
    let before = app.equation().await;
    let gone = app.cleaner().let_go(RetentionKind::Audit, DAY).await.unwrap();
    assert_eq!(gone, 2);
    let left = app.store.audit_logs(None, None, 10).await.unwrap();
    let left: Vec<&str> = left.iter().rev().map(|row| row.action.as_str()).collect();
    assert_eq!(left, ["import", "settle", "read"]);
    assert_eq!(app.equation().await, before);
}

async fn what_is_planned_is_what_goes(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let webhooks: Vec<Sent> = history(&Plan::default()).take(60).collect();
    apply(&app, &webhooks).await;
    settle_some(&app).await;
    let all = Some(DAY);
    let retention = Retention {
        bodies_age_max: all,
        feed_age_max: all,
        letters_age_max: all,
        audit_age_max: all,
        ..Retention::default()
    };
    let nothing = app.cleaner().plan(&Retention::default()).await.unwrap();
    assert!(nothing.iter().all(|it| it.before.is_none() && it.removable.rows == 0));
    let planned = app.cleaner().plan(&retention).await.unwrap();
    for it in planned.into_iter().filter(|it| it.before.is_some()) {
        assert!(it.removable.rows > 0 && it.removable.bytes > it.removable.rows, "{it:?}");
        let gone = app.cleaner().let_go(it.kind, DAY).await.unwrap();
        assert_eq!(gone, it.removable.rows.unsigned_abs(), "{it:?}");
    }
    let again = app.cleaner().plan(&retention).await.unwrap();
    assert!(again.iter().all(|it| it.removable.rows == 0), "{again:?}");
}

/// The commands: the plan changes nothing, and a run is in the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_goes_and_lets_go_of_it() {
    let app = TestApp::start(Kind::Sqlite).await;
    settle_some(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &app.database_url);
    let run = |setting: &Setting<'_>, arguments: &[&str]| {
        let output = setting.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&setting, &["retention", "plan"]);
    assert!(said.contains("kept: retention.dead_letter_days = 0"), "{said}");
    setting.environment = vec![
        ("WAHA_INGEST__RETENTION__DEAD_LETTER_DAYS", "1".to_owned()),
        ("WAHA_INGEST__FEED__KEEP_DAYS", "0".to_owned()),
        ("WAHA_INGEST__RETENTION__PROBE_DAYS", "0".to_owned()),
    ];
    // The command asks the machine's clock, before the time of this test's letters.
    let sql = "UPDATE dead_letters SET resolved_at = '2020-01-01T00:00:00+00:00' \
               WHERE resolved_at IS NOT NULL";
    sea_orm::ConnectionTrait::execute_unprepared(app.db(), sql).await.unwrap();
    let planned: serde_json::Value =
        serde_json::from_str(&run(&setting, &["retention", "plan", "--json"])).unwrap();
    let letters = planned["kinds"].as_array().unwrap().iter();
    let letters = letters.clone().find(|kind| kind["kind"] == "dead_letters").unwrap();
    assert_eq!(
        (&letters["rows"], &letters["setting"]),
        (&2.into(), &"retention.dead_letter_days".into())
    );
    assert!(said.contains("goes for good: archive.url is not set"), "{said}");
    let archive = folder.path().join("archive").display().to_string();
    setting.environment.push(("WAHA_INGEST__ARCHIVE__URL", archive.clone()));
    let said = run(&setting, &["retention", "plan"]);
    assert!(said.contains(&format!("kept first, in {archive}: ledger\n")), "{said}");
    assert!(said.contains("the archive: messages, calls, statuses\n"), "{said}");
    let gone: serde_json::Value =
        serde_json::from_str(&run(&setting, &["retention", "run", "--yes", "--json"])).unwrap();
    assert_eq!(gone, serde_json::json!({ "dead_letters": 2 }));
    let entry = app.store.audit_logs(Some("retain"), None, 1).await.unwrap().remove(0);
    assert_eq!((entry.affected, entry.channel.as_str()), (2, "cli"));
}

//! `webhooks export` there and `webhooks import` here: what a database lost comes back whole, what it
//! has stays as it is, and the equation knows.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use serde_json::Value;
use waha_ingest::simulate::{Families, Plan, Sent, history};

use crate::app::{TestApp, clock, open_store};
use crate::database::{Database, Kind, on_each_database};
use crate::process::Setting;
use crate::rows::{assert_equal, count, rows};
use crate::wait::wait_for;

on_each_database!(what_was_lost_comes_back_once);

const PATIENCE: Duration = Duration::from_secs(60);

fn webhooks() -> Vec<Sent> {
    let plan = Plan {
        seed: 5,
        messages: 60,
        people: 8,
        groups: 2,
        families: Families::ALL,
        ..Plan::default()
    };
    history(&plan).collect()
}

/// Bodies by webhook id and event type.
async fn bodies(app: &TestApp) -> BTreeMap<(String, String), Option<Vec<u8>>> {
    let rows = entity::webhook_events::Entity::find().all(app.db()).await.unwrap();
    rows.into_iter().map(|row| ((row.webhook_id, row.event_type), row.body)).collect()
}

fn command(setting: &Setting<'_>, arguments: &[&str]) -> Value {
    let output = setting.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

async fn what_was_lost_comes_back_once(kind: Kind) {
    let all = webhooks();
    let (old, here) = (TestApp::start(kind).await, TestApp::start(kind).await);
    old.publish_all(all.clone()).await;
    old.work_until_idle().await;
    // Only the first half reached this one, as after a failover to a standby that lagged.
    here.publish_all(all[..all.len() / 2].to_vec()).await;
    here.work_until_idle().await;
    let folder = tempfile::tempdir().unwrap();
    let [there, here_setting] =
        [&old, &here].map(|app| Setting::new(folder.path(), &app.database_url));
    let file = folder.path().join("webhooks.jsonl").display().to_string();
    command(&there, &["webhooks", "export", "--all", "--output", &file]);
    let exported = std::fs::read_to_string(&file).unwrap().lines().count();
    assert!(exported > all.len() / 2, "{exported} of {}", all.len());

    let known = bodies(&here).await.len();
    let before = command(&here_setting, &["webhooks", "import", &file, "--dry-run", "--json"]);
    assert_eq!(before["imported"], 0, "{before}");
    let first = command(&here_setting, &["webhooks", "import", &file, "--yes", "--json"]);
    assert_eq!(first["lines"].as_u64().unwrap(), exported as u64, "{first}");
    let new = first["imported"].as_u64().unwrap();
    assert!(new > 0 && first["known"].as_u64().unwrap() <= known as u64, "{first}");
    assert_equal(&rows(old.db()).await, &rows(here.db()).await);
    assert_eq!(bodies(&old).await, bodies(&here).await, "byte for byte");
    let equation = here.equation().await;
    assert!(equation.balanced == Some(true), "{equation:?}");

    let again = command(&here_setting, &["webhooks", "import", &file, "--dry-run", "--json"]);
    assert_eq!(again["known"].as_u64().unwrap(), exported as u64, "{again}");
    assert_equal(&rows(old.db()).await, &rows(here.db()).await);
    assert_eq!(here.equation().await.accepted, equation.accepted);
}

/// Each counts what it brought, although both found nothing known when they looked.
#[tokio::test(flavor = "multi_thread")]
async fn two_imports_at_once_count_each_webhook_once() {
    let (old, here) = (TestApp::start(Kind::Postgres).await, TestApp::start(Kind::Postgres).await);
    old.publish_all(webhooks()).await;
    old.work_until_idle().await;
    let folder = tempfile::tempdir().unwrap();
    let [there, here_setting] =
        [&old, &here].map(|app| Setting::new(folder.path(), &app.database_url));
    let file = folder.path().join("webhooks.jsonl").display().to_string();
    command(&there, &["webhooks", "export", "--all", "--output", &file]);
    let lines = std::fs::read_to_string(&file).unwrap().lines().count() as u64;

    // Both look before either can write.
    let lock = here.db().begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE webhook_events IN SHARE MODE").await.unwrap();
    let import = || command(&here_setting, &["webhooks", "import", &file, "--yes", "--json"]);
    let counts = std::thread::scope(|scope| {
        let importing = [(); 2].map(|()| scope.spawn(import));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                wait_for("both to wait", PATIENCE, || async {
                    let waiting =
                        "pg_locks WHERE NOT granted AND relation = 'webhook_events'::regclass";
                    (count(here.db(), waiting).await == 2).then_some(())
                })
                .await;
                lock.commit().await.unwrap();
            });
        });
        importing.map(|importing| importing.join().unwrap())
    });
    let sum = |name: &str| counts.iter().map(|it| it[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("imported"), sum("known")), (lines, lines), "{counts:?}");
    let equation = here.equation().await;
    assert_eq!((equation.accepted, equation.duplicate), (lines, 0), "{equation:?}");
    assert_eq!(equation.balanced, Some(true), "{equation:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_can_t_be_used_is_named_and_the_rest_is_not_read() {
    let database = Database::create(Kind::Sqlite).await;
    drop(open_store(&database, clock()).await);
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let file = folder.path().join("broken.jsonl");
    std::fs::write(&file, "{\"source\": 1, \"secret\": \"491701234567\"}\n").unwrap();
    let output = setting.run(&["webhooks", "import", &file.display().to_string(), "--yes"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("line 1 can't be imported") && !told.contains("49170"), "{told}");
}

//! `status` counts queue and ledger as of one moment, and holds up the door for no longer than it takes to
//! choose it.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, TransactionTrait};
use waha_ingest::accounting::Accounting;
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(
    the_door_goes_on_while_the_ledger_is_counted,
    a_database_that_gives_no_moment_holds_up_the_door_for_moments,
);

/// What hangs for this long would be an error anyway.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within this the door answers.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Webhooks before the count.
const BEFORE: usize = 20;

async fn the_door_goes_on_while_the_ledger_is_counted(kind: Kind) {
    // Nobody waits for a reader there.
    if kind == Kind::Sqlite {
        return;
    }
    let (app, webhooks) = filled(kind).await;
    let blocker = sea_orm::Database::connect(&app.database_url).await.unwrap();
    let locked = lock(&blocker, "webhook_duplicates").await;
    let counting = count(&app);
    post_at_once(&app, &webhooks[BEFORE..]).await;
    assert!(!counting.is_finished());
    unlock(locked).await;
    let counted = tokio::time::timeout(PATIENCE, counting).await.unwrap().unwrap();
    assert_eq!(counted.balanced, Some(true), "{counted:?}");
    // Of the moment that was chosen, whatever came since.
    assert_eq!(counted.waiting, counted.accepted - (BEFORE as u64 - 1), "{counted:?}");
    app.work_until_idle().await;
    assert_eq!(app.equation().await.balanced, Some(true));
}

async fn a_database_that_gives_no_moment_holds_up_the_door_for_moments(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let (app, webhooks) = filled(kind).await;
    let blocker = sea_orm::Database::connect(&app.database_url).await.unwrap();
    let locked = lock(&blocker, "waha_feed").await;
    let counting = count(&app);
    post_at_once(&app, &webhooks[BEFORE..]).await;
    // It gives up the one moment and counts what moves.
    let counted = tokio::time::timeout(PATIENCE, counting).await.unwrap().unwrap();
    assert_ne!(counted.balanced, Some(false), "{counted:?}");
    unlock(locked).await;
    app.work_until_idle().await;
    assert_eq!(app.equation().await.balanced, Some(true));
}

/// Some webhooks have ended, one waits.
async fn filled(kind: Kind) -> (Arc<TestApp>, Vec<Sent>) {
    let app = TestApp::start(kind).await;
    let webhooks: Vec<Sent> = history(&Plan::default()).take(BEFORE + 30).collect();
    let (ended, waits) = webhooks[..BEFORE].split_at(BEFORE - 1);
    for sent in ended {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
    assert!(app.post(waits[0].body.clone()).await.is_success());
    (Arc::new(app), webhooks)
}

/// Each is answered before it could have waited for a count.
async fn post_at_once(app: &TestApp, webhooks: &[Sent]) {
    for sent in webhooks {
        let answer = tokio::time::timeout(ANSWER_MAX, app.post(sent.body.clone())).await;
        assert!(answer.expect("the door waits").is_success());
    }
}

fn count(app: &Arc<TestApp>) -> tokio::task::JoinHandle<Accounting> {
    let app = Arc::clone(app);
    tokio::spawn(async move { app.equation().await })
}

/// Whoever reads this table waits.
async fn lock(db: &DatabaseConnection, table: &str) -> sea_orm::DatabaseTransaction {
    let sql = match db.get_database_backend() {
        DbBackend::MySql => format!("LOCK TABLES {table} WRITE"),
        _ => format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
    };
    let locked = db.begin().await.unwrap();
    locked.execute_unprepared(&sql).await.unwrap();
    locked
}

async fn unlock(locked: sea_orm::DatabaseTransaction) {
    if locked.get_database_backend() == DbBackend::MySql {
        locked.execute_unprepared("UNLOCK TABLES").await.unwrap();
    }
    locked.rollback().await.unwrap();
}

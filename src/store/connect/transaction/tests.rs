//! On each database, with a pool of one connection: what a transaction that went wrong leaves behind
//! would meet the next one. What is committed is what another pool sees.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use sea_orm::{Database, DatabaseConnection, TransactionTrait};
use tempfile::TempDir;

use super::*;
use crate::store::connect::hosts::servers_of;
use crate::store::connect::limit::MessageLimit;
use crate::store::connect::pool::PoolSettings;
use crate::store::connect::seen::SeenServers;
use crate::store::sql::error::ErrorClass;

/// A database with a table of numbers.
struct Bench {
    ours: Arc<ServerPool>,
    others: DatabaseConnection,
    _folder: TempDir,
}

impl Bench {
    async fn new(backend: DbBackend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            DbBackend::Postgres => on_server("TEST_POSTGRES_URL").await,
            DbBackend::MySql => on_server("TEST_MYSQL_URL").await,
            _ => format!("sqlite://{}?mode=rwc", folder.path().join("waha.db").display()),
        };
        let others = Database::connect(&url).await.unwrap();
        others.execute_unprepared("CREATE TABLE numbers (number INT)").await.unwrap();
        let (limit, seen) = (MessageLimit::unknown(), SeenServers::nothing());
        let settings = PoolSettings { connections_max: 1, limit, seen, makes_file: true };
        let servers = servers_of(&url).unwrap();
        let ours = ServerPool::open(&servers[0], &settings).await.unwrap();
        Self { ours, others, _folder: folder }
    }

    async fn begin(&self) -> CheckedTransaction {
        self.try_begin().await.unwrap()
    }

    async fn try_begin(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.ours, TransactionPurpose::Write).await
    }

    /// What was committed.
    async fn numbers(&self) -> Vec<i32> {
        let select = Statement::from_string(
            self.others.get_database_backend(),
            "SELECT number FROM numbers ORDER BY number",
        );
        let rows = self.others.query_all_raw(select).await.unwrap();
        rows.iter().map(|row| row.try_get("", "number").unwrap()).collect()
    }

    /// A whole transaction that goes well is one.
    async fn works(&self, number: i32) {
        let db = self.begin().await;
        insert(&db, number).await.unwrap();
        db.commit().await.unwrap();
        assert!(self.numbers().await.contains(&number));
    }
}

async fn on_server(variable: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let admin = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("transaction{}_{number}", std::process::id());
    let db = Database::connect(&admin).await.unwrap();
    db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (server, rest) = admin.rsplit_once('/').unwrap();
    let parameters = rest.split_once('?').map(|(_, it)| format!("?{it}")).unwrap_or_default();
    format!("{server}/{name}{parameters}")
}

async fn insert(db: &impl ConnectionTrait, number: i32) -> Result<ExecResult, DbErr> {
    let sql = format!("INSERT INTO numbers (number) VALUES ({number})");
    db.execute_raw(Statement::from_string(db.get_database_backend(), sql)).await
}

/// A statement that takes longer than anybody waits here.
fn endless(backend: DbBackend) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => "SELECT pg_sleep(60)",
        DbBackend::MySql => "SELECT SLEEP(60)",
        _ => {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) \
             SELECT count(*) FROM n"
        }
    };
    Statement::from_string(backend, sql)
}

macro_rules! on_each {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use sea_orm::DbBackend;
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() { super::$name(DbBackend::Sqlite).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() { super::$name(DbBackend::Postgres).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn mysql() { super::$name(DbBackend::MySql).await; }
        }
    )+};
}

on_each!(
    a_commit_is_seen_by_others,
    after_an_error_nothing_is_committed,
    what_the_database_ended_is_not_committed,
    a_statement_that_nobody_waits_for_ends_it,
    a_begin_that_nobody_waits_for_leaves_nothing,
    what_the_driver_left_open_is_closed,
);

async fn a_commit_is_seen_by_others(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    bench.works(1).await;
    let db = bench.begin().await;
    insert(&db, 2).await.unwrap();
    db.rollback().await.unwrap();
    drop(bench.begin().await);
    bench.works(3).await;
    assert_eq!(bench.numbers().await, [1, 3]);
}

async fn after_an_error_nothing_is_committed(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    let db = bench.begin().await;
    insert(&db, 1).await.unwrap();
    db.execute_unprepared("INSERT INTO missing VALUES (1)").await.unwrap_err();
    let _ = insert(&db, 2).await;
    let error = db.commit().await.unwrap_err();
    assert!(matches!(error, StoreError::Commit(CommitError::Poisoned)), "{error:?}");
    bench.works(3).await;
    assert_eq!(bench.numbers().await, [3]);
}

async fn what_the_database_ended_is_not_committed(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    let db = bench.begin().await;
    insert(&db, 1).await.unwrap();
    db.execute_unprepared("ROLLBACK").await.unwrap();
    let error = db.commit().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Outage, "{error:?}");
    bench.works(2).await;
    assert_eq!(bench.numbers().await, [2]);
}

async fn a_statement_that_nobody_waits_for_ends_it(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    let db = bench.begin().await;
    insert(&db, 1).await.unwrap();
    assert!(db.query_all_raw(endless(backend)).now_or_never().is_none());
    let error = db.commit().await.unwrap_err();
    assert!(matches!(error, StoreError::Commit(CommitError::Poisoned)), "{error:?}");
}

async fn a_begin_that_nobody_waits_for_leaves_nothing(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    bench.works(1).await;
    for number in 2..10 {
        drop(bench.try_begin().now_or_never());
        bench.works(number).await;
    }
}

/// A BEGIN of the driver whose answer nobody waits for, as in a migration that is cut off.
async fn what_the_driver_left_open_is_closed(backend: DbBackend) {
    let bench = Bench::new(backend).await;
    for number in 1..10 {
        insert(&bench.ours.db, -number).await.unwrap();
        drop(bench.ours.db.begin().now_or_never());
        insert(&bench.ours.db, number).await.unwrap();
        assert!(bench.numbers().await.contains(&number), "{number}");
    }
}

/// Why there is a type of our own: the driver takes both for a commit.
#[tokio::test(flavor = "multi_thread")]
async fn the_driver_believes_a_commit_that_postgres_answered_with_rollback() {
    let bench = Bench::new(DbBackend::Postgres).await;
    let db = bench.others.begin().await.unwrap();
    insert(&db, 1).await.unwrap();
    db.execute_unprepared("INSERT INTO missing VALUES (1)").await.unwrap_err();
    db.commit().await.unwrap();
    assert!(bench.numbers().await.is_empty());
}

/// SQLite rolls back by itself when it is full.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_sqlite_database_is_written_again() {
    let bench = Bench::new(DbBackend::Sqlite).await;
    let db = bench.begin().await;
    insert(&db, 1).await.unwrap();
    db.execute_unprepared("PRAGMA max_page_count = 3").await.unwrap();
    let error = db.execute_unprepared("CREATE TABLE more AS SELECT randomblob(100000)").await;
    let error = StoreError::from(error.unwrap_err());
    assert_eq!(error.class(), ErrorClass::Outage, "{error:?}");
    db.commit().await.unwrap_err();
    bench.works(2).await;
    assert_eq!(bench.numbers().await, [2]);
}

/// The same through the driver: the pool must not keep the connection that it takes for one at depth 1.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_sqlite_database_ends_the_drivers_connection() {
    let bench = Bench::new(DbBackend::Sqlite).await;
    let db = bench.ours.db.begin().await.unwrap();
    insert(&db, 1).await.unwrap();
    db.execute_unprepared("PRAGMA max_page_count = 3").await.unwrap();
    db.execute_unprepared("CREATE TABLE more AS SELECT randomblob(100000)").await.unwrap_err();
    drop(db);
    let db = bench.ours.db.begin().await.unwrap();
    insert(&db, 2).await.unwrap();
    db.commit().await.unwrap();
    assert_eq!(bench.numbers().await, [2]);
}

//! Up, down and up again on each kind of database, several at once, and releases side by side.

use std::collections::BTreeMap;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};

use crate::database::{Database, Kind, on_each_database};

on_each_database!(
    up_and_down_and_up_again,
    several_at_once,
    an_older_release_leaves_a_newer_schema_as_it_is,
    a_step_that_goes_back_leaves_the_indexes_of_before,
);

async fn up_and_down_and_up_again(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    let applied = async || {
        let steps = migration::status(&db).await.unwrap().steps;
        (steps.iter().filter(|(_, is_applied)| *is_applied).count(), steps.len())
    };
    migration::up(&db).await.unwrap();
    let (all, known) = applied().await;
    assert_eq!(all, known);
    migration::down(&db, Some(1)).await.unwrap();
    assert_eq!(applied().await.0, all - 1);
    migration::down(&db, None).await.unwrap();
    assert_eq!(applied().await.0, 0);
    migration::up(&db).await.unwrap();
    migration::up(&db).await.unwrap();
    assert_eq!(applied().await.0, all);
}

async fn several_at_once(kind: Kind) {
    let database = Database::create(kind).await;
    let all = (0..4).map(|_| async {
        let db = database.connect().await;
        migration::up(&db).await
    });
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
}

async fn an_older_release_leaves_a_newer_schema_as_it_is(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let newer = "m29991231_000001_of_a_newer_release";
    let sql =
        format!("INSERT INTO waha_ingest_migrations (version, applied_at) VALUES ('{newer}', 1)");
    db.execute_unprepared(&sql).await.unwrap();
    migration::up(&db).await.unwrap();
    let schema = migration::status(&db).await.unwrap();
    assert_eq!((schema.missing(), schema.newer), (0, vec![newer.to_owned()]));
    migration::down(&db, Some(1)).await.unwrap_err();
}

/// The first step that is tried.
const RESTORED_FROM: &str = "m20261201_000010_update_rows_in_place";

/// They only add columns, which are seen on SQLite alone.
const WITHOUT_INDEX: &[&str] = &["m20261205_000010_add_months", "m20261205_000060_count_messages"];

async fn a_step_that_goes_back_leaves_the_indexes_of_before(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    let steps = Migrator::migrations();
    let first = steps.iter().position(|step| step.name() == RESTORED_FROM).unwrap();
    Migrator::up(&db, Some(u32::try_from(first).unwrap())).await.unwrap();
    let mut without = Vec::new();
    for step in &steps[first..] {
        let before = places(&db).await;
        Migrator::up(&db, Some(1)).await.unwrap();
        if places(&db).await == before {
            without.push(step.name());
        }
        migration::down(&db, Some(1)).await.unwrap();
        assert_eq!(places(&db).await, before, "{}", step.name());
        Migrator::up(&db, Some(1)).await.unwrap();
    }
    let expected = if kind == Kind::Sqlite { &[] } else { WITHOUT_INDEX };
    assert_eq!(without, expected);
}

/// Indexes and how they are made, on SQLite tables as well, and on PostgreSQL how tables are kept.
async fn places(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() UNION ALL \
             SELECT c.relname || ' ' || c.reloptions::text FROM pg_class c \
             WHERE c.relnamespace = current_schema()::regnamespace AND c.reloptions IS NOT NULL"
        }
        DbBackend::MySql => {
            "SELECT CAST(CONCAT(TABLE_NAME, ' ', INDEX_NAME, ' ', SEQ_IN_INDEX, ' ', COLUMN_NAME) AS CHAR) \
             FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        }
        _ => "SELECT name || ' ' || ifnull(sql, '') FROM sqlite_master",
    };
    let question = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(question).await.unwrap();
    let mut places: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    places.sort_unstable();
    places
}

/// What the previous release's statements rely on, by table and column: its type, and whether they may
/// leave it out.
async fn columns(db: &DatabaseConnection) -> BTreeMap<(String, String), (String, bool)> {
    let sql = "SELECT table_name::text, column_name::text, data_type::text, \
               is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' AS optional \
               FROM information_schema.columns WHERE table_schema = 'public'";
    let question = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(question).await.unwrap().iter().map(column).collect()
}

fn column(row: &QueryResult) -> ((String, String), (String, bool)) {
    let text = |name| row.try_get("", name).unwrap();
    let optional = row.try_get("", "optional").unwrap();
    ((text("table_name"), text("column_name")), (text("data_type"), optional))
}

/// The previous release goes on writing while a step runs and until it is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn steps_only_add_what_the_previous_release_can_leave_out() {
    let database = Database::create(Kind::Postgres).await;
    let db = database.connect().await;
    let mut before = BTreeMap::new();
    for step in Migrator::migrations() {
        Migrator::up(&db, Some(1)).await.unwrap();
        let after = columns(&db).await;
        for (name, column) in &before {
            assert_eq!(after.get(name), Some(column), "{}: {name:?}", step.name());
        }
        let is_old = |table: &String| before.keys().any(|(old, _)| old == table);
        for (name, (_, optional)) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            assert!(*optional || !is_old(&name.0), "{}: {name:?} is required", step.name());
        }
        before = after;
    }
}

//! Tables that we did not make are never adopted, changed or dropped, and those that we made are known
//! again: by their mark, or by the history of a release that gave no marks.

use std::collections::BTreeSet;

use migration::MigrateError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::database::{Database, Kind, on_each_database};
use crate::process::Setting;
use crate::rows::count;

on_each_database!(
    a_table_of_a_crm_stops_up_before_the_first_step,
    a_table_of_a_crm_is_not_dropped,
    a_table_of_a_crm_that_an_older_release_adopted_is_still_the_crm_s,
    a_view_is_no_table_of_ours,
    tables_of_a_release_without_marks_are_ours,
    every_table_belongs_to_a_step,
);

/// What a CRM calls its audit log, with a row in it.
async fn make_crm_table(db: &DatabaseConnection) {
    let sql = "CREATE TABLE audit_logs (id INTEGER PRIMARY KEY, who VARCHAR(20), what VARCHAR(20))";
    db.execute_unprepared(sql).await.unwrap();
    let sql = "INSERT INTO audit_logs VALUES (1, 'ann', 'signed'), (2, 'bob', 'paid')";
    db.execute_unprepared(sql).await.unwrap();
}

/// All tables by name.
pub async fn tables(db: &DatabaseConnection) -> BTreeSet<String> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
        }
        DbBackend::MySql => {
            "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"
        }
        // What FTS5 keeps of a table is in tables of its own.
        _ => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             AND name NOT LIKE 'waha_message_words\\_%' ESCAPE '\\'"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

fn foreign(result: Result<(), MigrateError>) -> Vec<String> {
    match result {
        Err(MigrateError::Foreign { names, .. }) => names,
        other => panic!("not refused: {other:?}"),
    }
}

async fn a_table_of_a_crm_stops_up_before_the_first_step(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let db = database.connect().await;
    make_crm_table(&db).await;
    assert_eq!(foreign(migration::up(&db).await), ["audit_logs"]);
    let setting = Setting::new(folder.path(), &database.url);
    let up = setting.run(&["migrate", "up"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(1), "{told}");
    assert!(told.contains("audit_logs") && told.contains("place of its own"), "{told}");
    let check = setting.run(&["check"]);
    assert!(String::from_utf8_lossy(&check.stdout).contains("audit_logs"), "{check:?}");
    let down = setting.run(&["migrate", "down", "--all", "--yes"]);
    assert_eq!(down.status.code(), Some(1));
    assert_eq!(tables(&db).await, BTreeSet::from(["audit_logs".to_owned()]));
    assert_eq!(count(&db, "audit_logs").await, 2);
}

/// The CRM's table takes the place of ours once ours is there.
async fn replace_by_crm_table(db: &DatabaseConnection) -> BTreeSet<String> {
    migration::up(db).await.unwrap();
    db.execute_unprepared("DROP TABLE audit_logs").await.unwrap();
    make_crm_table(db).await;
    tables(db).await
}

async fn a_table_of_a_crm_is_not_dropped(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let db = database.connect().await;
    let before = replace_by_crm_table(&db).await;
    assert_eq!(foreign(migration::down(&db, None).await), ["audit_logs"]);
    let setting = Setting::new(folder.path(), &database.url);
    let down = setting.run(&["migrate", "down", "--all", "--yes"]);
    assert_eq!(down.status.code(), Some(1), "{down:?}");
    assert_eq!((tables(&db).await, count(&db, "audit_logs").await), (before, 2));
}

async fn a_table_of_a_crm_that_an_older_release_adopted_is_still_the_crm_s(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    let before = replace_by_crm_table(&db).await;
    unmark(&db).await;
    // SQLite makes tables and history at once: none was ever adopted, and nothing is left to do.
    if kind != Kind::Sqlite {
        assert_eq!(foreign(migration::up(&db).await), ["audit_logs"]);
    }
    assert_eq!(foreign(migration::down(&db, Some(1)).await), ["audit_logs"]);
    assert_eq!((tables(&db).await, count(&db, "audit_logs").await), (before, 2));
}

async fn a_view_is_no_table_of_ours(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    db.execute_unprepared("CREATE VIEW waha_messages AS SELECT 1 AS id").await.unwrap();
    assert_eq!(foreign(migration::up(&db).await), ["waha_messages"]);
    assert_eq!(tables(&db).await, BTreeSet::new());
}

/// As a release without marks left it.
async fn unmark(db: &DatabaseConnection) {
    for table in tables(db).await {
        let sql = match db.get_database_backend() {
            DbBackend::Postgres => format!("COMMENT ON TABLE {table} IS NULL"),
            DbBackend::MySql => format!("ALTER TABLE {table} COMMENT = ''"),
            _ => return,
        };
        db.execute_unprepared(&sql).await.unwrap();
    }
}

/// Tables whose comment says that they are ours.
async fn marked(db: &DatabaseConnection) -> BTreeSet<String> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
             AND obj_description(oid, 'pg_class') LIKE 'waha-ingest%'"
        }
        DbBackend::MySql => {
            "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_COMMENT LIKE 'waha-ingest%'"
        }
        _ => return tables(db).await,
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn tables_of_a_release_without_marks_are_ours(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let all = tables(&db).await;
    assert_eq!(marked(&db).await, all);
    unmark(&db).await;
    migration::up(&db).await.unwrap();
    assert_eq!(marked(&db).await, all, "they get their marks");
    unmark(&db).await;
    migration::down(&db, Some(1)).await.unwrap();
    migration::up(&db).await.unwrap();
    assert_eq!(marked(&db).await, all);
}

/// Else `down` would not say that it goes, and `up` would not see that somebody else has one.
async fn every_table_belongs_to_a_step(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let mut there = tables(&db).await;
    assert!(there.remove("waha_ingest_migrations"));
    let plan = migration::plan_down(&db, None).await.unwrap();
    let named: BTreeSet<String> = plan.tables.into_iter().map(|(table, _)| table).collect();
    assert_eq!(named, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_its_own_is_the_remedy_on_postgres() {
    let database = Database::create(Kind::Postgres).await;
    let crm = database.connect().await;
    make_crm_table(&crm).await;
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20search_path%3Dwaha,public", database.url);
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &url);
    // The path leads to the CRM's schema as long as ours is not there.
    assert_eq!(setting.run(&["migrate", "up"]).status.code(), Some(1));
    crm.execute_unprepared("CREATE SCHEMA waha").await.unwrap();
    let up = setting.run(&["migrate", "up"]);
    assert!(up.status.success(), "{up:?}");
    assert_eq!(tables(&crm).await, BTreeSet::from(["audit_logs".to_owned()]));
    let down = setting.run(&["migrate", "down", "--all", "--yes"]);
    let told = String::from_utf8_lossy(&down.stderr).into_owned();
    assert!(down.status.success(), "{told}");
    assert!(told.contains("  waha_sessions with 0 rows"), "{told}");
    assert_eq!(count(&crm, "audit_logs").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_that_leads_nowhere_is_said() {
    let database = Database::create(Kind::Postgres).await;
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20search_path%3Dnowhere", database.url);
    let folder = tempfile::tempdir().unwrap();
    let up = Setting::new(folder.path(), &url).run(&["migrate", "up"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(1), "{told}");
    assert!(told.contains("leads to no schema"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn down_takes_one_step_by_default_and_asks() {
    let database = Database::create(Kind::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    let asked = setting.run(&["migrate", "down"]);
    assert_eq!(asked.status.code(), Some(1), "not on a terminal: {asked:?}");
    let db = database.connect().await;
    let applied = async || migration::status(&db).await.unwrap().missing();
    assert_eq!(applied().await, 0);
    assert!(setting.run(&["migrate", "down", "--yes"]).status.success());
    assert_eq!(applied().await, 1);
}

//! Whether the ledger is divided by month (`migrate partition`), which steps can't take back: a part can't lose the
//! column that says what is in it. Called before steps are taken back; reads only.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::error::MigrateError;
use crate::schema::Schema;

/// The step that adds the month.
const STEP: &str = "m20261205_000010_add_months";

/// Divided tables of ours, here alone.
const POSTGRES: &str = "SELECT c.relname::text AS name FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = current_schema() AND c.relkind = 'p' \
     AND c.relname IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') ORDER BY 1";

/// The same, and those that a run which was cut off has put aside.
const MYSQL: &str = "SELECT CAST(TABLE_NAME AS CHAR) AS name FROM information_schema.PARTITIONS \
     WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_NAME IS NOT NULL \
     AND TABLE_NAME IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') \
     UNION SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN \
     ('webhook_events_first', 'webhook_duplicates_first', 'webhook_bodies_first') ORDER BY 1";

/// Refuses to take back the last `count` steps, or all, if the one that adds the month is among them and tables are
/// divided.
pub(crate) async fn require_whole(
    db: &impl ConnectionTrait,
    schema: &Schema,
    count: Option<u32>,
) -> Result<(), MigrateError> {
    let steps_max = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let Some(later) = schema.applied().rev().position(|name| name == STEP) else { return Ok(()) };
    if later >= steps_max {
        return Ok(());
    }
    let tables = divided(db).await?;
    if tables.is_empty() {
        return Ok(());
    }
    Err(MigrateError::Divided { tables, step: STEP, later })
}

async fn divided(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => POSTGRES,
        DbBackend::MySql => MYSQL,
        DbBackend::Sqlite | _ => return Ok(Vec::new()),
    };
    let question = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(question).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

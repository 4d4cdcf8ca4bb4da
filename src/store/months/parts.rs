//! Reads which parts there are, and makes one.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{MonthLayout, MonthPart, MonthTable, TableLayout};
use crate::store::sql::dialect::Dialect;
use crate::webhook::month::month_after;

/// Table, part and its bounds as the server writes them. The right schema alone: others may have such tables.
const POSTGRES: &str = "SELECT p.relname::text AS parent, c.relname::text AS name, \
     pg_get_expr(c.relpartbound, c.oid) AS bounds \
     FROM pg_class p JOIN pg_namespace n ON n.oid = p.relnamespace \
     LEFT JOIN pg_inherits i ON i.inhparent = p.oid LEFT JOIN pg_class c ON c.oid = i.inhrelid \
     WHERE n.nspname = current_schema() AND p.relkind = 'p' \
     AND p.relname IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies')";

/// The same; a table whose keys have the month has a row without part as well. Of one schema, which the server is
/// told each time: else it would open the tables of all.
const MYSQL: &str = "SELECT CAST(TABLE_NAME AS CHAR) AS parent, CAST(NULL AS CHAR) AS name, \
     CAST(NULL AS CHAR) AS bounds FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY' AND COLUMN_NAME = 'month' \
     AND TABLE_NAME IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') \
     UNION ALL SELECT CAST(TABLE_NAME AS CHAR), CAST(PARTITION_NAME AS CHAR), \
     CAST(PARTITION_DESCRIPTION AS CHAR) FROM information_schema.PARTITIONS \
     WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_NAME IS NOT NULL \
     AND TABLE_NAME IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies')";

/// Parts are vacuumed as the whole tables are: after so many new rows.
const VACUUMED: &str = "WITH (autovacuum_vacuum_insert_scale_factor = 0.005, \
                        autovacuum_vacuum_insert_threshold = 5000)";

/// How long others may hold the table that gets a part.
const LOCK_SECONDS: u32 = 5;

/// How the tables are kept now.
pub(in crate::store) async fn read(
    db: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<MonthLayout, DbErr> {
    let sql = match dialect {
        Dialect::Sqlite => return Ok(MonthLayout::default()),
        Dialect::Postgres => POSTGRES,
        Dialect::MySql => MYSQL,
    };
    let mut layout = MonthLayout::default();
    for row in db.query_all_raw(Statement::from_string(dialect.backend(), sql)).await? {
        let parent: String = row.try_get("", "parent")?;
        let Some(table) = MonthTable::of(&parent) else { continue };
        let (name, bounds): (Option<String>, Option<String>) =
            (row.try_get("", "name")?, row.try_get("", "bounds")?);
        add(&mut layout.tables[table as usize], name, bounds.as_deref().unwrap_or_default());
    }
    for table in &mut layout.tables {
        table.parts.sort_unstable_by_key(|part| part.first);
    }
    Ok(layout)
}

fn add(table: &mut TableLayout, name: Option<String>, bounds: &str) {
    table.is_keyed = true;
    let Some(name) = name else { return };
    let (first, last) = months(bounds);
    table.parts.push(MonthPart { name, first, last });
}

/// The first and last month of `FOR VALUES FROM (202611) TO (202612)`, whose end is not in it, or of a list such as
/// `0,202611`. Rows of a month that is none are not there, so bounds without a number hold nothing.
fn months(bounds: &str) -> (i32, i32) {
    let numbers = bounds.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<i32> = numbers.filter_map(|number| number.parse().ok()).collect();
    let (Some(least), Some(greatest)) = (numbers.iter().min(), numbers.iter().max()) else {
        return (1, 0);
    };
    if !bounds.starts_with("FOR VALUES") {
        return (*least, *greatest);
    }
    let first = if bounds.contains("MINVALUE") { 0 } else { *least };
    (first, greatest - 1)
}

/// The name of the part of one month.
pub(super) fn part_name(table: MonthTable, month: i32, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("{}_{month:06}", table.name()),
        Dialect::MySql => format!("p{month:06}"),
    }
}

/// Makes the part of one month, unless somebody else has made it meanwhile. Not in a transaction: one message is one
/// on PostgreSQL, and MySQL has none for this.
pub(in crate::store) async fn add_part(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    table: MonthTable,
    month: i32,
) -> Result<(), DbErr> {
    let made = db.execute_unprepared(&statements(table, month, dialect).join("; ")).await;
    match made {
        Err(error) if read(db, dialect).await?.of(table).lacks(month) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn statements(table: MonthTable, month: i32, dialect: Dialect) -> Vec<String> {
    let (parent, name) = (table.name(), part_name(table, month, dialect));
    let until = month_after(month);
    match dialect {
        Dialect::Sqlite => Vec::new(),
        // Made apart and attached: so nobody who writes to the other parts waits.
        Dialect::Postgres => vec![
            format!("SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"),
            format!(
                "CREATE TABLE {name} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES) {}",
                if table == MonthTable::Bodies { "" } else { VACUUMED }
            ),
            format!(
                "ALTER TABLE {parent} ATTACH PARTITION {name} \
                 FOR VALUES FROM ({month}) TO ({until})"
            ),
        ],
        Dialect::MySql => vec![
            format!("SET SESSION lock_wait_timeout = {LOCK_SECONDS}"),
            format!("ALTER TABLE {parent} ADD PARTITION (PARTITION {name} VALUES IN ({month}))"),
            "SET SESSION lock_wait_timeout = DEFAULT".to_owned(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_servers_write_them() {
        assert_eq!(months("FOR VALUES FROM (MINVALUE) TO (202701)"), (0, 202_700));
        assert_eq!(months("FOR VALUES FROM (202612) TO (202701)"), (202_612, 202_700));
        assert_eq!(months("0,200901,202611"), (0, 202_611));
        assert_eq!(months("202612"), (202_612, 202_612));
        assert_eq!(months(""), (1, 0));
    }
}

//! PostgreSQL: one transaction. Writers of this very part wait while it is counted, all others for a moment at its
//! end.

use sea_orm::ConnectionTrait;

use super::{DuePart, KeptRow, PartLimit, kept_rows, list, number_of, sums_of, total};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::months::MonthPart;
use crate::store::operations::retention::sums;
use crate::store::sql::error::{ErrorClass, StoreError};

/// How long it waits for others, and they behind it.
const LOCK: &str = "SET LOCAL lock_timeout = '3s'";

impl Store {
    pub(super) async fn drop_postgres_part(
        &self,
        due: &DuePart,
        limit: &PartLimit,
    ) -> Result<Option<u64>, StoreError> {
        match self.drop_postgres_part_now(due, limit).await {
            // Somebody holds the table, waited for us, or has dropped it: tomorrow is another day, and rows can be
            // deleted.
            Err(error) if is_contention(&error) => Ok(None),
            other => other,
        }
    }

    async fn drop_postgres_part_now(
        &self,
        due: &DuePart,
        limit: &PartLimit,
    ) -> Result<Option<u64>, StoreError> {
        let DuePart { table, part } = due;
        let db = self.begin().await?;
        db.execute_unprepared(LOCK).await?;
        db.execute_unprepared(&format!("LOCK TABLE {} IN SHARE MODE", part.name)).await?;
        let from = (table.name(), Some(part));
        let Some(kept) = kept_rows(&db, *table, from, limit).await? else {
            db.rollback().await?;
            return Ok(None);
        };
        let sums = sums_of(&db, *table, from, &kept).await?;
        replace(&db, due, &kept).await?;
        let gone = total(&sums);
        // Last, because others wait for these rows.
        sums::add(&db, sums, self.clock.now()).await?;
        db.commit().await?;
        Ok(Some(gone))
    }
}

fn is_contention(error: &StoreError) -> bool {
    let detail = error.detail();
    error.class() == ErrorClass::Conflict || detail.contains("55P03") || detail.contains("42P01")
}

/// Takes a part out; what stays of it gets a new one with the same bounds.
async fn replace(
    db: &CheckedTransaction,
    due: &DuePart,
    kept: &[KeptRow],
) -> Result<(), StoreError> {
    let DuePart { table, part } = due;
    let (parent, name) = (table.name(), &part.name);
    let mut sql = vec![format!("ALTER TABLE {parent} DETACH PARTITION {name}")];
    if kept.is_empty() {
        sql.push(format!("DROP TABLE {name}"));
    } else {
        let (number, ids) = (number_of(*table), list(kept));
        sql.extend([
            format!("ALTER TABLE {name} RENAME TO {name}_gone"),
            format!("CREATE TABLE {name} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)"),
            format!("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES {}", bounds(part)),
            format!("INSERT INTO {parent} SELECT * FROM {name}_gone WHERE {number} IN ({ids})"),
            format!("DROP TABLE {name}_gone"),
        ]);
    }
    db.execute_unprepared(&sql.join("; ")).await?;
    Ok(())
}

fn bounds(part: &MonthPart) -> String {
    let first = match part.first {
        0 if part.last > 0 => "MINVALUE".to_owned(),
        first => first.to_string(),
    };
    format!("FROM ({first}) TO ({})", part.last + 1)
}

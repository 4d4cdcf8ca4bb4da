//! How the schema of a database stands to this release. Read by `migrate status`, `check`, and by
//! workers before they take anything.

use std::collections::HashSet;

use sea_orm_migration::prelude::*;

use crate::Migrator;

/// How the schema of a database stands to this release.
#[derive(Debug)]
pub struct Schema {
    /// Every step of this release by name, oldest first, and whether it is applied.
    pub steps: Vec<(String, bool)>,
    /// Applied steps that this release does not know: a newer one has migrated.
    pub newer: Vec<String>,
}

impl Schema {
    /// How many steps of this release are not applied.
    pub fn missing(&self) -> usize {
        self.steps.iter().filter(|(_, is_applied)| !is_applied).count()
    }
}

/// Reads it. Works without the right to create tables and on an empty database.
pub async fn status<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<Schema, DbErr> {
    let mut applied = applied(&SchemaManager::new(db)).await?;
    let steps = Migrator::migrations()
        .iter()
        .map(|step| (step.name().to_owned(), applied.remove(step.name())))
        .collect();
    let mut newer: Vec<String> = applied.into_iter().collect();
    newer.sort_unstable();
    Ok(Schema { steps, newer })
}

async fn applied(manager: &SchemaManager<'_>) -> Result<HashSet<String>, DbErr> {
    let table = Migrator::migration_table_name();
    if !manager.has_table(table.to_string()).await? {
        return Ok(HashSet::new());
    }
    let select = Query::select().column("version").from(table).take();
    let rows = manager.get_connection().query_all(&select).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

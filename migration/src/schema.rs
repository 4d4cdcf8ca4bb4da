//! How the schema of a database stands to this release. Read by `migrate status`, `check`, and by
//! workers before they take anything.

use std::collections::HashSet;

use sea_orm_migration::prelude::*;

use crate::error::MigrateError;
use crate::{HISTORY, steps};

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

    /// The steps of this release that are applied, oldest first.
    pub(crate) fn applied(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.steps.iter().filter(|(_, is_applied)| *is_applied).map(|(name, _)| name.as_str())
    }

    /// Refuses if a newer release has migrated.
    pub(crate) fn require_known(&self) -> Result<(), MigrateError> {
        if self.newer.is_empty() { Ok(()) } else { Err(MigrateError::Newer(self.newer.clone())) }
    }
}

/// Reads it. Works without the right to create tables and on an empty database.
pub async fn status<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<Schema, DbErr> {
    let mut applied = applied(&SchemaManager::new(db)).await?;
    let steps = steps()
        .iter()
        .map(|step| step.migration.name())
        .map(|name| (name.to_owned(), applied.remove(name)))
        .collect();
    let mut newer: Vec<String> = applied.into_iter().collect();
    newer.sort_unstable();
    Ok(Schema { steps, newer })
}

async fn applied(manager: &SchemaManager<'_>) -> Result<HashSet<String>, DbErr> {
    if !manager.has_table(HISTORY).await? {
        return Ok(HashSet::new());
    }
    let select = Query::select().column("version").from(HISTORY).take();
    let rows = manager.get_connection().query_all(&select).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

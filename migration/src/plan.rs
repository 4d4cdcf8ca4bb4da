//! What taking steps back would remove, for whoever is asked before it happens.

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::error::MigrateError;
use crate::{catalog, divided, ownership, schema, steps};

/// What `down` would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownPlan {
    /// The steps that it takes back, newest first.
    pub steps: Vec<String>,
    /// The tables that go with them, and how many rows each has now.
    pub tables: Vec<(String, u64)>,
}

/// What taking back the last `count` steps would do; all of them without it.
pub async fn plan_down(
    db: &DatabaseConnection,
    count: Option<u32>,
) -> Result<DownPlan, MigrateError> {
    let schema = schema::status(db).await?;
    schema.require_known()?;
    ownership::require(db, &schema).await?;
    divided::require_whole(db, &schema, count).await?;
    let steps_max = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let taken: Vec<String> =
        schema.applied().rev().take(steps_max).map(ToOwned::to_owned).collect();
    let relations = catalog::relations(db).await?;
    let mut tables = Vec::new();
    for step in steps().into_iter().rev().filter(|step| taken.iter().any(|it| step.is(it))) {
        for table in step.tables.iter().rev().filter(|table| relations.contains_key(**table)) {
            tables.push(((*table).to_owned(), catalog::count_rows(db, table).await?));
        }
    }
    Ok(DownPlan { steps: taken, tables })
}

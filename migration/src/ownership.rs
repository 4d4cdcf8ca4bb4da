//! Which tables are ours. Called before the first step, up or down.
//!
//! Invariant: a table that we did not make is never adopted, changed or dropped, and a run
//! that was cut off can be finished. So a table of one of our names is ours if
//! - it carries our mark, a comment that it gets in the statement or transaction that makes it; or
//! - the history says that its step is applied, and it has every column that the applied steps give
//!   it. That is how the tables of a release without marks are known, which get theirs then, and all
//!   tables of SQLite, which has no comments but one transaction for tables and history. What columns
//!   these are is asked of the steps themselves, in an empty database in memory.
//!
//! Everything else of our names is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend,
};

use crate::catalog::{self, Relation};
use crate::error::MigrateError;
use crate::schema::Schema;
use crate::{HISTORY, steps};

/// Columns by table.
type Columns = BTreeMap<String, BTreeSet<String>>;

/// Names of ours that somebody else has taken: `migrate up` would refuse. Changes nothing.
pub async fn foreign<C: ConnectionTrait>(
    db: &C,
    schema: &Schema,
) -> Result<Vec<String>, MigrateError> {
    let relations = catalog::relations(db).await?;
    let known = Known::read(db, schema, &relations).await?;
    let foreign = tables().filter_map(|name| relations.get(name).filter(|it| !known.is_ours(it)));
    Ok(foreign.map(|relation| relation.name.clone()).collect())
}

/// Refuses if somebody else has taken any of our names.
pub(crate) async fn require<C: ConnectionTrait>(
    db: &C,
    schema: &Schema,
) -> Result<(), MigrateError> {
    let names = foreign(db, schema).await?;
    if names.is_empty() {
        return Ok(());
    }
    Err(MigrateError::Foreign { names, remedy: remedy(db.get_database_backend()) })
}

/// Gives the tables that are ours and have no mark their mark. All of our names must be ours.
pub(crate) async fn mark(db: &DatabaseTransaction) -> Result<(), MigrateError> {
    if !catalog::has_marks(db.get_database_backend()) {
        return Ok(());
    }
    let relations = catalog::relations(db).await?;
    for name in tables().chain([HISTORY]) {
        if relations.get(name).is_some_and(|it| it.is_table && !it.is_marked) {
            catalog::mark(db, name).await?;
        }
    }
    Ok(())
}

/// The names of all tables of this release, in the order in which they are made.
pub fn tables() -> impl Iterator<Item = &'static str> {
    steps().into_iter().flat_map(|step| step.tables.iter().copied())
}

/// What the history tells of tables without a mark.
struct Known {
    /// Tables of applied steps.
    made: BTreeSet<&'static str>,
    /// What columns they have and should have; none if nobody needs to know or can.
    columns: Option<(Columns, Columns)>,
}

impl Known {
    async fn read<C: ConnectionTrait>(
        db: &C,
        schema: &Schema,
        relations: &BTreeMap<String, Relation>,
    ) -> Result<Self, MigrateError> {
        let applied: BTreeSet<&str> = schema.applied().collect();
        let made: BTreeSet<&'static str> = steps()
            .into_iter()
            .filter(|step| applied.contains(step.migration.name()))
            .flat_map(|step| step.tables.iter().copied())
            .collect();
        let is_unmarked = |name: &&str| relations.get(*name).is_some_and(|it| !it.is_marked);
        // A newer release may have taken columns away.
        let columns = if schema.newer.is_empty() && made.iter().any(is_unmarked) {
            Some((catalog::columns(db).await?, expected(&applied).await?))
        } else {
            None
        };
        Ok(Self { made, columns })
    }

    fn is_ours(&self, relation: &Relation) -> bool {
        let name = relation.name.as_str();
        relation.is_table
            && (relation.is_marked || (self.made.contains(name) && self.has_columns(name)))
    }

    fn has_columns(&self, name: &str) -> bool {
        let Some((there, expected)) = &self.columns else { return true };
        match (there.get(name), expected.get(name)) {
            (Some(there), Some(expected)) => there.is_superset(expected),
            (Some(_) | None, _) => false,
        }
    }
}

/// What columns the tables have after these steps.
async fn expected(applied: &BTreeSet<&str>) -> Result<Columns, DbErr> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    // Each connection would have a memory of its own.
    options.max_connections(1).sqlx_logging(false);
    let memory = Database::connect(options).await?;
    for step in steps().iter().filter(|step| applied.contains(step.migration.name())) {
        step.migration.up(&SchemaManager::new(&memory)).await?;
    }
    let columns = catalog::columns(&memory).await?;
    memory.close().await?;
    Ok(columns)
}

fn remedy(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "a schema, as in postgres://…/DATABASE?options=-c%20search_path%3DSCHEMA, or a database"
        }
        DbBackend::MySql => "a database, as in mysql://…/DATABASE",
        DbBackend::Sqlite | _ => "a file, as in sqlite:///FOLDER/FILE",
    }
}

//! Which indexes the migrations make: for whoever compares them with those of a database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

use crate::steps;

/// Made by the migrations on SQLite, where each step says it as everywhere.
const MADE: &str = "SELECT tbl_name, name, sql FROM sqlite_master \
                    WHERE type = 'index' AND sql IS NOT NULL ORDER BY tbl_name, name";

/// An index that the migrations make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeIndex {
    /// Of which table.
    pub table: String,
    /// Its name, the same on all databases.
    pub name: String,
    /// The statement that makes it on PostgreSQL and SQLite.
    pub sql: String,
}

/// All of them, of all steps; found by running the steps on an empty database in memory. The one for the
/// search, which each database has in its own way, is not among them.
pub async fn made_indexes() -> Result<Vec<MadeIndex>, DbErr> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db: DatabaseConnection = Database::connect(options).await?;
    for step in steps() {
        step.migration.up(&SchemaManager::new(&db)).await?;
    }
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, MADE)).await?;
    let made = |row: &sea_orm_migration::sea_orm::QueryResult| {
        Ok(MadeIndex {
            table: row.try_get_by_index(0)?,
            name: row.try_get_by_index(1)?,
            sql: row.try_get_by_index::<String>(2)?.replace('"', ""),
        })
    };
    rows.iter().map(made).collect()
}

//! Why the schema could not be changed, and what helps.

use sea_orm_migration::sea_orm::DbErr;

/// Why the schema could not be changed. Every variant but [`Database`](Self::Database) is found
/// before the first step: nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database holds tables, views or the like under names of ours, made by somebody else.
    #[error(
        "{} in the database that database.url names, and not made by waha-ingest: {}. Nothing was \
         changed. Give waha-ingest a place of its own: {remedy}",
        are_there(.names.len()),
        .names.join(", ")
    )]
    Foreign {
        /// The names that are taken, sorted.
        names: Vec<String>,
        /// How another place is named in the URL of this database.
        remedy: &'static str,
    },
    /// A newer release has migrated: its steps are unknown here, so they can't be taken back.
    #[error(
        "a newer release has applied {}: take steps back with that release",
        .0.join(", ")
    )]
    Newer(Vec<String>),
    /// Tables are divided by month, so steps can't be taken back as far as was asked.
    #[error(
        "{} divided by month (`migrate partition`), which can't be taken back: {step} and the steps before it stay; \
         the {later} after it can be taken back (--steps). Nothing was changed. To be rid of all, drop the database, \
         or the schema; to keep the history in tables that are whole, export it (`webhooks export`) and import it \
         into a new database",
        are(.tables)
    )]
    Divided {
        /// Those that are.
        tables: Vec<String>,
        /// The step that has to stay.
        step: &'static str,
        /// How many steps were applied after it.
        later: usize,
    },
    /// No schema of PostgreSQL's search path exists, or the URL names no database.
    #[error("database.url leads to no {0}: make it, or name another one")]
    Nowhere(&'static str),
    /// Another process migrates for longer than anybody waits.
    #[error("another migration held the lock for over {0} s")]
    Busy(u64),
    /// The database refused or failed. On MySQL and MariaDB what was done stays and the next run
    /// goes on from there; elsewhere nothing of the run stays.
    #[error("the database refused or failed")]
    Database(#[from] DbErr),
}

fn are(tables: &[String]) -> String {
    format!("{} {}", tables.join(", "), if tables.len() == 1 { "is" } else { "are" })
}

fn are_there(count: usize) -> &'static str {
    if count == 1 { "this is" } else { "these are" }
}

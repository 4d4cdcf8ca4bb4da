//! Looks at each connection that comes back to the pool, and closes it unless it is at rest.
//!
//! Transactions of `connect/transaction` have made sure of that by themselves. This is for all else that
//! uses the pool, foremost the migrations: a driver's transaction may have gone wrong in ways that the
//! driver does not notice.

use sea_orm::sqlx::{
    self, Connection, Executor, MySqlConnection, PgConnection, Row, SqliteConnection,
};

/// Whether a connection may be used again. The driver counts how deep it is: what it counts wrong is as
/// bad as a transaction.
pub(super) async fn is_sqlite_at_rest(
    connection: &mut SqliteConnection,
) -> Result<bool, sqlx::Error> {
    // A rollback that was only asked for is done first.
    connection.ping().await?;
    // BEGIN fails within a transaction, and takes no lock.
    Ok(!connection.is_in_transaction() && connection.execute("BEGIN; ROLLBACK").await.is_ok())
}

/// The same. A transaction began with an earlier message than this one; a failed one answers with an
/// error, which closes the connection, too. A ROLLBACK would be a warning in the server's log.
pub(super) async fn is_postgres_at_rest(
    connection: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let row =
        connection.fetch_one("SELECT transaction_timestamp() = statement_timestamp()").await?;
    Ok(row.try_get::<bool, _>(0)? && !connection.is_in_transaction())
}

/// The same. There is no question that MySQL and MariaDB both answer. A lock by name, as a migration
/// that was cut off leaves it behind, is given back.
pub(super) async fn is_mysql_at_rest(
    connection: &mut MySqlConnection,
) -> Result<bool, sqlx::Error> {
    connection.execute("ROLLBACK; DO RELEASE_ALL_LOCKS()").await?;
    Ok(!connection.is_in_transaction())
}

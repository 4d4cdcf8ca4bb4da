//! Which side of a foreign key stopped a statement: ours, whose parent is gone, or somebody else's, which refers to
//! a row that is to go. Names of the schema only.
//!
//! Used by `StoreError::detail`. Of two reactions, votes or read marks that turn out to be one person's one row
//! goes; an application's foreign key to it keeps it, and all that the webhook tells.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{SqlxMySqlError, SqlxPostgresError};

use super::mysql;

/// A statement that a foreign key stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side<'a> {
    /// A row was written whose parent is not there.
    Missing,
    /// A row was to go that a table refers to; none where the database does not say which.
    Referred(Option<&'a str>),
    /// The database does not tell which of the two.
    Either,
}

/// What happened, and what helps.
pub(super) fn meaning(error: &dyn DatabaseError) -> String {
    let missing =
        "a row that another one refers to is missing, as when somebody deletes rows by hand";
    let remedy =
        "drop that key, or have it end with ON DELETE CASCADE (entity/README.md), then replay";
    match side(error) {
        Side::Missing => missing.to_owned(),
        Side::Referred(table) => {
            let table = table.map_or_else(
                || "a table of an application".to_owned(),
                |table| format!("table {table} of an application"),
            );
            format!(
                "{table} refers by it to a row that becomes one with another and goes: {remedy}"
            )
        }
        Side::Either => format!(
            "{missing}; or a table of an application refers to a row that becomes one with another and goes: \
             {remedy}"
        ),
    }
}

fn side(error: &dyn DatabaseError) -> Side<'_> {
    if let Some(mysql) = error.try_downcast_ref::<SqlxMySqlError>() {
        return of_mysql(mysql.number(), mysql.message());
    }
    match error.try_downcast_ref::<SqlxPostgresError>() {
        Some(postgres) => of_postgres(postgres.message(), postgres.table()),
        // It says neither which key, nor of which table.
        None => Side::Either,
    }
}

fn of_mysql(number: u16, message: &str) -> Side<'_> {
    match number {
        1217 | 1451 => Side::Referred(mysql::table(message)),
        _ => Side::Missing,
    }
}

/// The table that it names has the key. Its words are of the server's language.
fn of_postgres<'a>(message: &str, table: Option<&'a str>) -> Side<'a> {
    if message.starts_with("insert or update on table") {
        Side::Missing
    } else if message.starts_with("update or delete on table") {
        Side::Referred(table)
    } else {
        Side::Either
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_key_it_is_is_told() {
        let message = "Cannot delete or update a parent row: a foreign key constraint fails \
                       (`t`.`crm_notes`, CONSTRAINT `crm_note` FOREIGN KEY (`reaction_id`) …)";
        assert_eq!(of_mysql(1451, message), Side::Referred(Some("crm_notes")));
        assert_eq!(of_mysql(1452, message), Side::Missing);
        assert_eq!(of_mysql(1217, "…"), Side::Referred(None));
        let of_postgres = |message| of_postgres(message, Some("crm_notes"));
        let deleted =
            "update or delete on table \"waha_reactions\" violates foreign key constraint \"c\" …";
        assert_eq!(of_postgres(deleted), Side::Referred(Some("crm_notes")));
        assert_eq!(of_postgres("insert or update on table \"a\" violates …"), Side::Missing);
        assert_eq!(of_postgres("Aktualisieren oder Löschen in Tabelle …"), Side::Either);
    }
}

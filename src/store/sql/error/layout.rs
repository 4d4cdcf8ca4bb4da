//! Whether an error says that the ledger is divided by month otherwise than whoever wrote thought: it was divided
//! meanwhile, a part is missing, or what divides it is on its way. Then what is known of it is read anew, and the
//! webhooks are tried again.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{SqlxMySqlError, SqlxPostgresError};

/// How the names of the checks begin that are there only while a table is divided.
pub(in crate::store) const CHECK: &str = "ck_first_month_";

/// PostgreSQL: no unique index has these columns.
const NO_KEY: &str = "42P10";
/// PostgreSQL: a check; of a table without the name of a check, that no part takes the row. A function of somebody's
/// own that raises it names neither, and no part helps there.
const NO_PART: &str = "23514";
/// MySQL and MariaDB: no partition takes the row.
const NO_PARTITION: u16 = 1526;

pub(super) fn is_other(error: &dyn DatabaseError) -> bool {
    if let Some(mysql) = error.try_downcast_ref::<SqlxMySqlError>() {
        return mysql.number() == NO_PARTITION;
    }
    if error.try_downcast_ref::<SqlxPostgresError>().is_none() {
        return false;
    }
    match error.code().as_deref() {
        Some(NO_KEY) => true,
        Some(NO_PART) => match error.constraint() {
            Some(name) => name.starts_with(CHECK),
            None => error.table().is_some(),
        },
        _ => false,
    }
}

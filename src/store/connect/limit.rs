//! How long a message may be that the server takes: `max_allowed_packet` of MySQL and MariaDB.
//!
//! The server answers a longer one with error 1153 and hangs up, and whoever is still sending often
//! sees no more than that: it would be taken for an outage, and tried again for ever. So longer ones
//! are refused here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::sqlx::{self, Executor, MySqlConnection, Row};
use sea_orm::{DbErr, RuntimeErr, Statement};

use crate::store::sql::chunks::bytes_of;
use crate::store::sql::error::MessageTooLong;

/// Bytes that the protocol adds to each value, and to all of them, at most.
const AROUND: usize = 16;

/// The longest message. None until a connection has asked, and on other databases.
#[derive(Clone, Debug)]
pub(in crate::store) struct MessageLimit(Arc<AtomicUsize>);

impl MessageLimit {
    /// Not known yet.
    pub(in crate::store) fn unknown() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// For tests that need no server.
    #[cfg(test)]
    pub(in crate::store) fn of(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Asks, on a new connection: the server tells its setting to each only at its start.
    pub(super) async fn ask(self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let row = connection.fetch_one("SELECT CAST(@@max_allowed_packet AS SIGNED)").await?;
        let bytes: i64 = row.try_get(0)?;
        self.0.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
        Ok(())
    }

    /// In bytes; none where there is none.
    pub(in crate::store) fn bytes(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes != usize::MAX)
    }

    /// Refuses what the server would.
    pub(in crate::store) fn check(&self, statement: &Statement) -> Result<(), DbErr> {
        let Some(limit) = self.bytes() else { return Ok(()) };
        let bytes = length(statement);
        if bytes <= limit {
            return Ok(());
        }
        let error = sqlx::Error::Encode(Box::new(MessageTooLong { bytes, limit }));
        Err(DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }
}

fn length(statement: &Statement) -> usize {
    let values = statement.values.iter().flat_map(|values| &values.0);
    AROUND + statement.sql.len() + values.map(|value| AROUND + bytes_of(value)).sum::<usize>()
}

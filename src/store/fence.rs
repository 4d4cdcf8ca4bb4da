//! MySQL and MariaDB lock the parent's row of every foreign key when a child is inserted. Two
//! workers that update parents and insert children would then wait for one another, so there the
//! parents of a batch are locked first, in one order. PostgreSQL's locks for foreign keys don't
//! stand in the way of such updates, and SQLite has one writer.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

use super::StoreError;
use super::dialect::Dialect;
use super::write::Writer;

/// What will be done with the parents.
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// Children are inserted.
    Refer,
    /// Some of them are updated, too.
    Update,
}

impl Writer<'_> {
    /// Locks the rows with these ids until the transaction ends.
    pub(super) async fn fence(
        &self,
        table: &'static str,
        ids: Vec<i64>,
        purpose: Use,
    ) -> Result<(), StoreError> {
        if self.dialect != Dialect::MySql || ids.is_empty() {
            return Ok(());
        }
        let mut select = Query::select();
        select
            .column(Alias::new("id"))
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new("id")).is_in(ids))
            .order_by(Alias::new("id"), sea_orm::Order::Asc);
        let mut statement = self.db.get_database_backend().build(&select);
        statement.sql.push_str(match purpose {
            Use::Refer => " LOCK IN SHARE MODE",
            Use::Update => " FOR UPDATE",
        });
        self.db.query_all_raw(statement).await?;
        Ok(())
    }
}

//! MySQL and MariaDB lock the parent's row of every foreign key when a child is inserted. Two
//! workers that update parents and insert children would then wait for one another, so there the
//! parents of a batch are locked first, in one order. PostgreSQL's locks for foreign keys don't
//! stand in the way of such updates, and SQLite has one writer.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend};

use super::dialect::Dialect;
use super::error::StoreError;

/// What will be done with the parents.
#[derive(Clone, Copy)]
pub(in crate::store) enum ParentUse {
    /// Children are inserted.
    Refer,
    /// Some of them are updated, too.
    Update,
}

/// Locks the rows with these ids until the transaction ends.
pub(in crate::store) async fn lock_parents(
    db: &impl ConnectionTrait,
    table: &'static str,
    ids: Vec<i64>,
    purpose: ParentUse,
) -> Result<(), StoreError> {
    if Dialect::of(db.get_database_backend()) != Dialect::MySql || ids.is_empty() {
        return Ok(());
    }
    let mut select = Query::select();
    select
        .column(Alias::new("id"))
        .from(Alias::new(table))
        .and_where(Expr::col(Alias::new("id")).is_in(ids))
        .order_by(Alias::new("id"), sea_orm::Order::Asc);
    let mut statement = db.get_database_backend().build(&select);
    statement.sql.push_str(match purpose {
        ParentUse::Refer => " LOCK IN SHARE MODE",
        ParentUse::Update => " FOR UPDATE",
    });
    db.query_all_raw(statement).await?;
    Ok(())
}

/// Locks one row until the transaction ends.
pub(in crate::store) async fn lock_row(
    db: &impl ConnectionTrait,
    table: &'static str,
    id: i64,
) -> Result<(), StoreError> {
    lock_rows(db, table, &[id]).await
}

/// Locks rows until the transaction ends, in the order of their ids.
pub(in crate::store) async fn lock_rows(
    db: &impl ConnectionTrait,
    table: &'static str,
    ids: &[i64],
) -> Result<(), StoreError> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Sqlite || ids.is_empty() {
        return Ok(());
    }
    let mut select = Query::select();
    select
        .column(Alias::new("id"))
        .from(Alias::new(table))
        .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()))
        .order_by(Alias::new("id"), sea_orm::Order::Asc);
    let mut statement = backend.build(&select);
    statement.sql.push_str(" FOR UPDATE");
    db.query_all_raw(statement).await?;
    Ok(())
}

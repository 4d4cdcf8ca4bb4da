//! How a table is made: options, foreign keys and indexes in the form each database needs. Called
//! by the migrations.
//!
//! MySQL and MariaDB commit after every statement, so there a table and its indexes are one
//! statement with IF NOT EXISTS: a migration that was cut off can simply be run again. The others
//! run a whole migration in one transaction, so there a table that exists already is an error.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::columns::Columns;

/// Starts the statement for a table, with its `id`. On MySQL keys are compared byte by byte, as
/// the other databases do: WhatsApp ids are case-sensitive.
pub(crate) fn table(columns: Columns, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create().table(name).col(Columns::id()).take();
    if columns.is_mysql() {
        table.if_not_exists();
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        table.extra("ROW_FORMAT=DYNAMIC");
    }
    table
}

/// Adds `created_at` and `updated_at`, then makes the table and its indexes.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    table.col(columns.time_now("created_at")).col(columns.time_now("updated_at"));
    if columns.is_mysql() {
        for mut index in indexes {
            table.index(&mut index);
        }
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for index in indexes {
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Drops the table with its rows and indexes.
pub(crate) async fn drop(manager: &SchemaManager<'_>, name: &'static str) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(name).if_exists().take()).await
}

/// A foreign key to the `id` of `parent` whose rows go with the parent's row.
///
/// MySQL makes an index of its own for a foreign key unless one begins with the column, and the
/// other databases read the whole child table for every deleted parent. So every foreign key here
/// is led by some index of the table.
pub(crate) fn cascade(
    table: &'static str,
    column: &'static str,
    parent: &'static str,
) -> ForeignKeyCreateStatement {
    reference(table, column, parent, ForeignKeyAction::Cascade)
}

/// As [`cascade`], but the rows stay and forget the parent.
pub(crate) fn set_null(
    table: &'static str,
    column: &'static str,
    parent: &'static str,
) -> ForeignKeyCreateStatement {
    reference(table, column, parent, ForeignKeyAction::SetNull)
}

fn reference(
    table: &'static str,
    column: &'static str,
    parent: &'static str,
    on_delete: ForeignKeyAction,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_{column}"))
        .from(table, column)
        .to(parent, "id")
        .on_delete(on_delete)
        .take()
}

/// The natural key of a table: what `ON CONFLICT` names.
pub(crate) fn unique<const N: usize>(
    table: &'static str,
    columns: [&'static str; N],
) -> IndexCreateStatement {
    index(table, columns).name(format!("uq_{table}_key")).unique().take()
}

/// A secondary index. Its caller says which query it serves.
pub(crate) fn index<const N: usize>(
    table: &'static str,
    columns: [&'static str; N],
) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("idx_{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(column);
    }
    index
}

/// On PostgreSQL, compresses a column with lz4 where the server was built with it: pglz, the
/// default, costs a good part of the write rate of bodies. Asked first, because a failing
/// statement would spoil the transaction; version 13 has neither the setting nor lz4.
pub(crate) async fn compress_fast(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres || !has_lz4(manager).await? {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION lz4");
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

async fn has_lz4(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let question = Statement::from_string(
        DbBackend::Postgres,
        "SELECT 1 FROM pg_settings \
         WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)",
    );
    Ok(manager.get_connection().query_one_raw(question).await?.is_some())
}

/// Adds a column, unless an earlier run that was cut off has done so.
pub(crate) async fn add(
    manager: &SchemaManager<'_>,
    table: &'static str,
    mut column: ColumnDef,
) -> Result<(), DbErr> {
    if manager.has_column(table, column.get_column_name()).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).add_column(&mut column).take()).await
}

/// Takes a column away.
pub(crate) async fn remove(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    if !manager.has_column(table, column).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).drop_column(column).take()).await
}

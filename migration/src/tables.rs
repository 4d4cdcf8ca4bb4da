//! How a table is made: options, foreign keys and indexes in the form each database needs. Called
//! by the migrations.
//!
//! MySQL and MariaDB commit after every statement, so there a table, its indexes and its mark are one
//! statement, and a step that was cut off asks what is there already. The others run a whole migration
//! in one transaction. A table that somebody else made meanwhile is an error everywhere.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::catalog;
use crate::columns::Columns;

/// Starts the statement for a table, with its `id`. On MySQL keys are compared byte by byte, as
/// the other databases do: WhatsApp ids are case-sensitive.
pub(crate) fn table(columns: Columns, name: &'static str) -> TableCreateStatement {
    table_by(columns, name, Columns::id())
}

/// The same with another key than `id`.
pub(crate) fn table_by(
    columns: Columns,
    name: &'static str,
    key: ColumnDef,
) -> TableCreateStatement {
    let mut table = Table::create().table(name).col(key).take();
    if columns.is_mysql() {
        table.comment(catalog::COMMENT);
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        table.extra("ROW_FORMAT=DYNAMIC");
    }
    table
}

/// Adds `created_at` and `updated_at`, then makes the table with its indexes and its mark, unless an
/// earlier run that was cut off has done so.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    table.col(columns.time_now("created_at")).col(columns.time_now("updated_at"));
    create_with(manager, table, indexes).await
}

/// Makes a table with its mark and nothing added, unless an earlier run that was cut off has done so.
pub(crate) async fn create_as_it_is(
    manager: &SchemaManager<'_>,
    table: TableCreateStatement,
) -> Result<(), DbErr> {
    create_with(manager, table, Vec::new()).await
}

/// Makes a table with its indexes and its mark and nothing added, unless an earlier run that was cut off
/// has done so.
pub(crate) async fn create_with(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    let name = table.get_table_name().map(|it| it.sea_orm_table().to_string()).unwrap_or_default();
    if Columns::of(manager).is_mysql() {
        if catalog::is_marked(manager.get_connection(), &name).await? {
            return Ok(());
        }
        for mut index in indexes {
            table.index(&mut index);
        }
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for index in indexes {
        manager.create_index(index).await?;
    }
    catalog::mark(manager.get_connection(), &name).await
}

/// Drops the table with its rows and indexes, unless an earlier run that was cut off has done so.
/// Whoever calls `down` has seen that every table of our names is ours; here the mark is asked once
/// more, of the very table that the statement means.
pub(crate) async fn drop(manager: &SchemaManager<'_>, name: &'static str) -> Result<(), DbErr> {
    if !manager.has_table(name).await? {
        return Ok(());
    }
    let db = manager.get_connection();
    if catalog::has_marks(manager.get_database_backend()) && !catalog::is_marked(db, name).await? {
        return Err(DbErr::Migration(format!("{name} is not ours any more: it was not dropped")));
    }
    manager.drop_table(Table::drop().table(name).take()).await
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

/// Adds an index, unless an earlier run that was cut off has done so.
pub(crate) async fn add_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &str,
    mut index: IndexCreateStatement,
) -> Result<(), DbErr> {
    if manager.has_index(table, name).await? {
        return Ok(());
    }
    manager.create_index(index.name(name).take()).await
}

/// Takes an index away, unless an earlier run that was cut off has done so.
pub(crate) async fn remove_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &str,
) -> Result<(), DbErr> {
    if !manager.has_index(table, name).await? {
        return Ok(());
    }
    let mut index = Index::drop();
    index.name(name).table(table);
    manager.drop_index(index).await
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

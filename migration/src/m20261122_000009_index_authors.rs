//! Finds what a person did in groups: asked when two ids turn out to be one person.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::tables;

/// Tables with the column that says who.
const WHO: [(&str, &str); 8] = [
    ("waha_messages", "author"),
    ("waha_message_claims", "author"),
    ("waha_message_edits", "author"),
    ("waha_message_revocations", "author"),
    ("waha_message_acks", "participant"),
    ("waha_reactions", "reactor"),
    ("waha_poll_votes", "voter"),
    ("waha_event_responses", "responder"),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in WHO {
            let index = index(manager, table, column);
            tables::add_index(manager, table, &name(table, column), index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in WHO {
            tables::remove_index(manager, table, &name(table, column)).await?;
        }
        Ok(())
    }
}

fn name(table: &str, column: &str) -> String {
    format!("idx_{table}_{column}")
}

/// In direct chats the author is `me` or `contact`: most rows, and never asked for. The index leaves
/// them out where the database can do that.
fn index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> IndexCreateStatement {
    let mut index = tables::index(table, [column]);
    if manager.get_database_backend() != DbBackend::MySql {
        index.and_where(Expr::col(column).is_not_in(["me", "contact"]));
    }
    index
}

//! Finds files by when they were stored, for their retention; and empties the sessions' configurations: nothing
//! that this product wrote is in there yet, but what somebody else wrote may hold keys and passwords. WAHA is
//! asked for them again.

use sea_orm_migration::prelude::*;

use crate::tables;

const ATTACHMENTS: &str = "waha_attachments";
/// What is old, and what was stored lately and may be taken back.
const COLUMNS: [&str; 2] = ["state", "stored_at"];
const NAME: &str = "idx_waha_attachments_state_stored_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_age = tables::index(ATTACHMENTS, COLUMNS);
        tables::add_index(manager, ATTACHMENTS, NAME, by_age).await?;
        let config = Alias::new("config");
        let empty = Query::update()
            .table(Alias::new("waha_sessions"))
            .value(config.clone(), Expr::value(Option::<String>::None))
            .and_where(Expr::col(config).is_not_null())
            .take();
        manager.execute(empty).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove_index(manager, ATTACHMENTS, NAME).await
    }
}

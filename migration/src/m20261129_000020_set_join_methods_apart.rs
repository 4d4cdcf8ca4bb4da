//! Adds the version of how somebody asks to join a group: not every telling says it, so it is a register
//! apart. In rows of the release before it is null, and the version of the state holds.

use sea_orm_migration::prelude::*;

use crate::columns::big_integer;
use crate::tables;

const REQUESTS: &str = "waha_join_requests";
const COLUMN: &str = "method_version";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::add(manager, REQUESTS, big_integer(COLUMN)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, REQUESTS, COLUMN).await
    }
}

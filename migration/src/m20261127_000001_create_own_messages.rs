//! Makes `waha_own_messages`, where acks find the account's own messages under any name of a chat, and
//! gives `waha_messages` what must stay behind when one of them moves.
//!
//! Empty at first: messages of before are found once `webhooks renormalize` has read them again.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, small_integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const OWN_MESSAGES: &str = "waha_own_messages";
const MESSAGES: &str = "waha_messages";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, OWN_MESSAGES);
        table
            .col(big_integer("session_id").not_null())
            .col(string("message_id", 255).not_null())
            .col(string("chat_jid", 255).not_null())
            .col(small_integer("witness_rank").not_null())
            .col(small_integer("status_rank").not_null().default(-1_i16))
            .col(columns.time("told_at"))
            .foreign_key(&mut tables::cascade(OWN_MESSAGES, "session_id", "waha_sessions"));
        let key = tables::unique(OWN_MESSAGES, ["session_id", "message_id"]);
        tables::create(manager, table, vec![key]).await?;
        spaces::tell_apart(manager, OWN_MESSAGES).await?;
        tables::add(manager, MESSAGES, small_integer("received_rank")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, MESSAGES, "received_rank").await?;
        tables::drop(manager, OWN_MESSAGES).await
    }
}

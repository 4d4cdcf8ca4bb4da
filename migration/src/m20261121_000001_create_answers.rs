//! Makes the tables of what follows a message: reactions, votes, answers to invitations, acks of
//! group members. All know their message by its conversation and bare id, because they can come
//! before it.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, small_integer, string, version};
use crate::tables;

const REACTIONS: &str = "waha_reactions";
const VOTES: &str = "waha_poll_votes";
const RESPONSES: &str = "waha_event_responses";
const ACKS: &str = "waha_message_acks";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        make(manager, REACTIONS, "reactor", |table| reactions(columns, table)).await?;
        make(manager, VOTES, "voter", |table| votes(columns, table)).await?;
        make(manager, RESPONSES, "responder", |table| responses(columns, table)).await?;
        make(manager, ACKS, "participant", |table| acks(columns, table)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [ACKS, RESPONSES, VOTES, REACTIONS] {
            tables::drop(manager, name).await?;
        }
        Ok(())
    }
}

/// A table with one row per message and person. Its natural key also serves: all reactions of the
/// messages that are shown, and the foreign key.
async fn make(
    manager: &SchemaManager<'_>,
    name: &'static str,
    person: &'static str,
    add: impl FnOnce(&mut TableCreateStatement),
) -> Result<(), DbErr> {
    let mut table = tables::table(Columns::of(manager), name);
    table
        .col(big_integer("chat_id").not_null())
        .col(string("message_id", 255).not_null())
        .col(string(person, 255).not_null())
        .foreign_key(&mut tables::cascade(name, "chat_id", "waha_chats"));
    add(&mut table);
    let key = tables::unique(name, ["chat_id", "message_id", person]);
    tables::create(manager, table, vec![key]).await
}

fn reactions(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("reactor_jid", 255))
        .col(columns.text("text"))
        .col(columns.time("reacted_at"))
        .col(version("reaction_version"));
}

fn votes(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("voter_jid", 255))
        .col(columns.text("selected"))
        .col(columns.time("voted_at"))
        .col(version("vote_version"));
}

fn responses(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("responder_jid", 255))
        .col(string("response", 32))
        .col(integer("extra_guests"))
        .col(columns.time("responded_at"))
        .col(version("response_version"));
}

fn acks(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("status", 16))
        .col(small_integer("ack"))
        .col(small_integer("status_rank").not_null().default(-1_i16))
        .col(columns.time("delivered_at"))
        .col(columns.time("read_at"))
        .col(columns.time("played_at"));
}

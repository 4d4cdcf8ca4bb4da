//! Adds what tells a message that somebody wrote from a notice, registers for what a telling may lack,
//! and what else people ask for: referrals, outcomes of calls, why sending failed, usernames.
//!
//! Versions of what was part of another register are null in rows of the release before: the other
//! register's version holds for them. So no row is written, however many there are.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::columns::{Columns, big_integer, boolean, integer, string, version};
use crate::m20261126_000002_compare_trailing_spaces::collation;
use crate::tables;

const SESSIONS: &str = "waha_sessions";
const MESSAGES: &str = "waha_messages";
const CLAIMS: &str = "waha_message_claims";
const CALLS: &str = "waha_calls";
const CONTACTS: &str = "waha_contacts";
const REFERRALS: &str = "waha_message_referrals";

/// Parts of a session's identity.
const OF_IDENTITY: [&str; 5] =
    ["me_id_version", "me_lid_version", "me_jid_version", "push_name_version", "metadata_version"];
/// Parts of a message's content.
const OF_CONTENT: [&str; 3] = ["text_version", "sender_name_version", "reply_version"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_referrals(manager).await?;
        for name in OF_IDENTITY {
            tables::add(manager, SESSIONS, big_integer(name)).await?;
        }
        for table in [MESSAGES, CLAIMS] {
            for name in OF_CONTENT {
                tables::add(manager, table, big_integer(name)).await?;
            }
            let is_notice = boolean("is_notice").not_null().default(false).take();
            tables::add(manager, table, is_notice).await?;
        }
        tables::add(manager, MESSAGES, Columns::of(manager).text("status_reason")).await?;
        tables::add(manager, MESSAGES, version("status_reason_version")).await?;
        tables::add(manager, CALLS, string("outcome", 32)).await?;
        tables::add(manager, CALLS, version("outcome_version")).await?;
        tables::add(manager, CALLS, integer("duration_s")).await?;
        tables::add(manager, CALLS, version("duration_version")).await?;
        tables::add(manager, CONTACTS, string("username", 255)).await?;
        tables::add(manager, CONTACTS, version("username_version")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let of_calls = ["duration_version", "duration_s", "outcome_version", "outcome"];
        remove(manager, CONTACTS, &["username_version", "username"]).await?;
        remove(manager, CALLS, &of_calls).await?;
        remove(manager, MESSAGES, &["status_reason_version", "status_reason"]).await?;
        for table in [CLAIMS, MESSAGES] {
            remove(manager, table, &["is_notice"]).await?;
            remove(manager, table, &OF_CONTENT).await?;
        }
        remove(manager, SESSIONS, &OF_IDENTITY).await?;
        tables::drop(manager, REFERRALS).await
    }
}

async fn remove(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    for column in columns {
        tables::remove(manager, table, column).await?;
    }
    Ok(())
}

async fn create_referrals(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let table = tables::table(columns, REFERRALS)
        .col(big_integer("chat_id").not_null())
        .col(string("message_id", 255).not_null())
        .col(string("author", 255).not_null())
        .col(string("source_type", 32))
        .col(string("source_id", 255))
        .col(columns.text("source_url"))
        .col(columns.text("click_id"))
        .col(columns.text("headline"))
        .col(columns.text("body"))
        .col(string("conversion_source", 64))
        .col(integer("conversion_delay_s"))
        .col(string("entry_point", 64))
        .col(string("entry_point_app", 64))
        .col(version("referral_version"))
        .foreign_key(&mut tables::cascade(REFERRALS, "chat_id", "waha_chats"))
        .take();
    let key = tables::unique(REFERRALS, ["chat_id", "message_id", "author"]);
    // What came of one ad.
    let by_source = tables::index(REFERRALS, ["source_id"]);
    // What a person did: asked when two ids turn out to be one person. In direct chats nobody asks.
    let mut by_author = tables::index(REFERRALS, ["author"]);
    if !columns.is_mysql() {
        by_author.and_where(Expr::col("author").is_not_in(["me", "contact"]));
    }
    tables::create(manager, table, vec![key, by_source, by_author]).await?;
    if columns.is_mysql() {
        // As the tables it is joined with.
        let collation = collation(manager).await?;
        let sql =
            format!("ALTER TABLE {REFERRALS} CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

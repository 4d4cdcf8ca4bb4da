//! Adds to `waha_chats` what makes inboxes cheap: the last message's id, when others and the account last
//! wrote, and an index on the time of the last message.
//!
//! Fills them from the messages that are there, in portable SQL, some chats at a time: MySQL and MariaDB
//! commit after each statement, and whoever writes these chats waits no longer than that. What the previous
//! release writes meanwhile, and until the last of its workers has ended, moves the time of a chat's last
//! message and leaves these as they are, until the chat's next message.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::columns::{Columns, string};
use crate::tables;

const CHATS: &str = "waha_chats";
const MESSAGES: &str = "waha_messages";
const INDEX: &str = "idx_waha_chats_session_id_last_message_at";

/// Chats that one statement fills.
const CHATS_MAX: u64 = 1_000;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        tables::add(manager, CHATS, string("last_message_id", 255)).await?;
        tables::add(manager, CHATS, columns.time("last_inbound_at")).await?;
        tables::add(manager, CHATS, columns.time("last_outbound_at")).await?;
        fill(manager).await?;
        // An inbox, page by page.
        let index = tables::index(CHATS, ["session_id", "last_message_at"]);
        tables::add_index(manager, CHATS, INDEX, index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove_index(manager, CHATS, INDEX).await?;
        for column in ["last_outbound_at", "last_inbound_at", "last_message_id"] {
            tables::remove(manager, CHATS, column).await?;
        }
        Ok(())
    }
}

/// Fills all chats, in the order of their ids. A run that was cut off does so from the beginning: it comes to
/// the same.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let mut after = 0;
    while let Some(last) = last_of_some(db, after).await? {
        db.execute(&fill_between(manager.get_database_backend(), after, last)).await?;
        after = last;
    }
    Ok(())
}

/// The last id of the next chats; none if there are no more.
async fn last_of_some(db: &impl ConnectionTrait, after: i64) -> Result<Option<i64>, DbErr> {
    let some = Query::select()
        .column("id")
        .from(CHATS)
        .and_where(Expr::col("id").gt(after))
        .order_by("id", Order::Asc)
        .limit(CHATS_MAX)
        .take();
    let rows = db.query_all(&some).await?;
    rows.last().map(|row| row.try_get("", "id")).transpose()
}

/// Of a chat that has had a message. `updated_at` stays: nobody wrote anything.
fn fill_between(backend: DbBackend, after: i64, last: i64) -> UpdateStatement {
    let by_sides = [("last_inbound_at", false), ("last_outbound_at", true)];
    let mut update = Query::update();
    update.table(CHATS).value("last_message_id", subquery(newest(backend, "message_id")));
    for (column, from_me) in by_sides {
        let mut newest = newest(backend, "sent_at");
        newest.and_where(Expr::col((MESSAGES, "from_me")).eq(from_me));
        update.value(column, subquery(newest));
    }
    update
        .and_where(Expr::col("id").gt(after))
        .and_where(Expr::col("id").lte(last))
        .and_where(Expr::col("last_message_at").is_not_null())
        .take()
}

fn subquery(select: SelectStatement) -> SimpleExpr {
    SimpleExpr::SubQuery(None, Box::new(select.into()))
}

/// Of the newest message of the chat at hand, and of several of one time of that with the largest id, byte by
/// byte. Times that claim more than the chat was told are not believed.
fn newest(backend: DbBackend, column: &'static str) -> SelectStatement {
    let of_message = |column: &'static str| Expr::col((MESSAGES, column));
    let of_chat = |column: &'static str| Expr::col((CHATS, column));
    let message_id = match backend {
        DbBackend::Postgres => Expr::cust("waha_messages.message_id COLLATE \"C\""),
        _ => of_message("message_id"),
    };
    Query::select()
        .expr(of_message(column))
        .from(MESSAGES)
        .and_where(of_message("session_id").eq(of_chat("session_id")))
        .and_where(of_message("chat_id").eq(of_chat("id")))
        .and_where(of_message("sent_at").lte(of_chat("last_message_at")))
        .and_where(of_message("is_stub").eq(false))
        .and_where(of_message("is_notice").eq(false))
        .order_by((MESSAGES, "sent_at"), Order::Desc)
        .order_by_expr(message_id, Order::Desc)
        .limit(1)
        .take()
}

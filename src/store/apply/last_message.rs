//! Says anew what the last message of a conversation is, as far as its rows tell.
//!
//! Called where a conversation lost one: `own_messages/departures` and `reread`.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::Order;
use sea_orm::sea_query::{
    Alias, Cond, Expr, ExprTrait, Func, JoinType, Query, SelectStatement, SimpleExpr,
};

use super::chat_moves::chats_of;
use crate::change::ME;
use crate::change::merge::forward;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;
use crate::store::tables::{chat, own_message};

const MESSAGES: &str = "waha_messages";
const CLAIMS: &str = "waha_message_claims";
/// When a message was sent.
const LAST: &str = "last";

/// Whose messages a conversation lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    /// The account's.
    Mine,
    /// Anybody's.
    Both,
}

/// Writes it. After the chats of the batch are told.
pub(super) async fn refresh_last_message(
    context: &WriteContext<'_>,
    id: i64,
    sides: Sides,
) -> Result<(), StoreError> {
    // Whoever has written a message here has committed it, or tells the chat after this.
    lock_row(context.db, chat::TABLE, id).await?;
    let author = |table: &'static str| of(table, "author");
    let chats = chats_of(context.db, id).await?;
    let (chat, chats) = (id, &*chats);
    let mine = last_message(context, chat, chats, |table| author(table).eq(ME)).await?;
    let others = last_message(context, chat, chats, |table| author(table).ne(ME)).await?;
    let last = mine.clone().max(others.clone());
    let (last_at, last_id) = last.unzip();
    let time = |at: Option<DateTime<Utc>>| Expr::val(context.dialect.bind(at.into()));
    let mut update = Query::update();
    update
        .table(Alias::new(chat::TABLE))
        .values([
            ("last_message_at", time(last_at)),
            ("last_message_id", Expr::val(last_id)),
            ("last_outbound_at", time(mine.map(|(at, _)| at))),
            ("updated_at", context.now_value()),
        ])
        .and_where(Expr::col(Alias::new("id")).eq(id));
    if sides == Sides::Both {
        update.value("last_inbound_at", time(others.map(|(at, _)| at)));
    }
    context.db.execute(&update).await?;
    let conversation = Cond::all().add(Expr::col(Alias::new("id")).eq(id));
    Ok(context.log_written(&chat::FOLLOWED, conversation).await?)
}

/// The last message in a chat of those that `which` names, by time and id: of an own one the time as its row
/// of `waha_own_messages` knows it, of the others as sent, but of those only that do not claim more than the
/// chat was told. `chats` are the rows that its messages are in.
async fn last_message(
    context: &WriteContext<'_>,
    chat: i64,
    chats: &[i64],
    which: impl Fn(&'static str) -> SimpleExpr,
) -> Result<Option<(DateTime<Utc>, String)>, StoreError> {
    let mut last = None;
    for table in [MESSAGES, CLAIMS] {
        let mut select = select_last(context.dialect, table, chat, chats);
        select.and_where(which(table));
        if let Some(row) = context.db.query_one(&select).await? {
            forward(&mut last, Some((row.try_get("", LAST)?, row.try_get("", "message_id")?)));
        }
    }
    Ok(last)
}

fn of(table: &'static str, column: &'static str) -> Expr {
    Expr::col((Alias::new(table), Alias::new(column)))
}

/// The newest first, and of one time that with the largest id, as `change::LastMessage` says.
fn select_last(dialect: Dialect, table: &'static str, chat: i64, chats: &[i64]) -> SelectStatement {
    let (sent, told) = (of(table, "sent_at"), of(own_message::TABLE, "told_at"));
    let own = of(own_message::TABLE, "session_id").eq(of(chat::TABLE, "session_id"));
    let own = own.and(of(own_message::TABLE, "message_id").eq(of(table, "message_id")));
    let own = own.and(of(table, "author").eq(ME));
    let here = match chats {
        [_] => of(table, "chat_id").eq(of(chat::TABLE, "id")),
        several => of(table, "chat_id").is_in(several.iter().copied()),
    };
    let is_bounded = sent.clone().lte(of(chat::TABLE, "last_message_at"));
    let message_id = dialect.by_bytes(&format!("{table}.message_id"));
    let mut select = Query::select();
    select
        .expr_as(Func::coalesce([told.clone(), sent]), Alias::new(LAST))
        .column((Alias::new(table), Alias::new("message_id")))
        .from(Alias::new(chat::TABLE))
        .join(JoinType::InnerJoin, Alias::new(table), here)
        .join(JoinType::LeftJoin, Alias::new(own_message::TABLE), own)
        .and_where(of(chat::TABLE, "id").eq(chat))
        // A notice is nobody's last message.
        .and_where(of(table, "is_notice").eq(false))
        .and_where(told.is_not_null().or(is_bounded))
        .order_by(Alias::new(LAST), Order::Desc)
        .order_by_expr(Expr::cust(message_id), Order::Desc)
        .limit(1);
    select
}

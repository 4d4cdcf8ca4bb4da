//! Rows of chats that turned out to be another one and that no move brings there: an older release left them, or
//! hands. They move as others do, in steps (`apply/chat_moves`).

use std::collections::BTreeSet;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, JoinType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, Order};

use super::{EXAMPLES, Fault, MendedPage, ROWS_MAX, Remedy, RepairFinding};
use crate::store::apply::chat_moves::begin_move;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;
use crate::store::tables::{BY_CHAT, chat};
use crate::store::{Store, audit};

/// Beside those that move by their key.
const BY_MESSAGE: [&str; 2] = ["waha_messages", "waha_message_claims"];

/// What is said of the chats whose rows begin to move.
pub(super) fn place() -> String {
    "waha_chat_moves.chat_id".to_owned()
}

/// Rows of a table in such chats. Pointers are mended first: of one that leads to nothing or on nobody knows yet where
/// they belong.
fn strays(table: &'static str) -> SelectStatement {
    let of = |alias: &'static str, column: &'static str| {
        Expr::col((Alias::new(alias), Alias::new(column)))
    };
    let mut moving = Query::select();
    moving
        .expr(Expr::val(1))
        .from_as(Alias::new("waha_chat_moves"), Alias::new("moving"))
        .and_where(of("moving", "chat_id").eq(of("chat", "id")));
    let mut select = Query::select();
    select
        .from_as(Alias::new(chat::TABLE), Alias::new("chat"))
        .join_as(
            JoinType::InnerJoin,
            Alias::new(table),
            Alias::new("here"),
            of("here", "chat_id").eq(of("chat", "id")),
        )
        .join_as(
            JoinType::InnerJoin,
            Alias::new(chat::TABLE),
            Alias::new("there"),
            of("there", "id").eq(of("chat", "merged_into")),
        )
        .and_where(of("chat", "merged_into").is_not_null())
        .and_where(of("there", "merged_into").is_null())
        .and_where(Expr::exists(moving).not());
    select
}

impl Store {
    pub(super) async fn stray_findings(&self) -> Result<Vec<RepairFinding>, StoreError> {
        let mut found = Vec::new();
        for table in self.tables_of_chats() {
            found.extend(self.strays_of(table).await?);
        }
        Ok(found)
    }

    fn tables_of_chats(&self) -> Vec<&'static str> {
        let keyed = BY_CHAT.iter().map(|table| (table.rules)(self.dialect).table);
        BY_MESSAGE.into_iter().chain(keyed).collect()
    }

    async fn strays_of(&self, table: &'static str) -> Result<Option<RepairFinding>, StoreError> {
        let db = &self.pool().db;
        let id = (Alias::new("here"), Alias::new("id"));
        let mut first = strays(table);
        first.column(id.clone()).order_by(id, Order::Asc).limit(EXAMPLES as u64);
        let rows = db.query_all(&first).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let examples = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
        let mut all = strays(table);
        all.expr_as(Expr::cust("COUNT(*)"), Alias::new("n"));
        let row = db.query_one(&all).await?;
        let count: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        Ok(Some(RepairFinding {
            place: format!("{table}.chat_id"),
            fault: Fault::Merged,
            remedy: Remedy::Move,
            rows: count.unsigned_abs(),
            examples,
        }))
    }

    /// Has the rows of the next chats moved, by whoever comes first; counts the chats.
    pub(super) async fn begin_moves(
        &self,
        after: i64,
        log: i64,
    ) -> Result<Option<MendedPage>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let mut chats = BTreeSet::new();
        for table in self.tables_of_chats() {
            let id = (Alias::new("chat"), Alias::new("id"));
            let mut select = strays(table);
            select.distinct().column(id.clone()).and_where(Expr::col(id.clone()).gt(after));
            select.order_by(id, Order::Asc).limit(ROWS_MAX);
            for row in db.query_all(&select).await? {
                chats.insert(row.try_get::<i64>("", "id")?);
            }
        }
        // Of each table those behind the last chat of a page may be missing.
        let chats: Vec<i64> =
            chats.into_iter().take(usize::try_from(ROWS_MAX).unwrap_or_default()).collect();
        let Some(after) = chats.last().copied() else {
            db.rollback().await?;
            return Ok(None);
        };
        let context = self.write_context(&db);
        for id in &chats {
            lock_row(&db, chat::TABLE, *id).await?;
            begin_move(&context, *id).await?;
        }
        let rows = chats.len() as u64;
        audit::count(&db, log, rows).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(Some(MendedPage { after, rows }))
    }
}

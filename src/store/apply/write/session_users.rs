//! `user_waha`: which application's user a session belongs to, as its metadata says now.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, NotSet, Set};

use entity::user_waha;

use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const TABLE: &str = "user_waha";
const SESSIONS: &str = "waha_sessions";
/// Marks rows that follow the metadata; those of the application are left alone.
const ORIGIN: &str = "metadata";

/// Makes the links of these sessions what `waha_sessions.user_id` says after this transaction.
pub(in crate::store) async fn follow(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    sessions: &[i64],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if sessions.is_empty() {
        return Ok(());
    }
    let users = users(db, sessions).await?;
    remove_old(db, sessions).await?;
    let row = |(session, user): (i64, Option<String>)| {
        Some(user_waha::ActiveModel {
            id: NotSet,
            user_id: Set(user?),
            session_id: Set(session),
            origin: Set(ORIGIN.to_owned()),
            created_at: NotSet,
            updated_at: Set(now),
        })
    };
    let rows = users.into_iter().filter_map(row).collect();
    let key = &[user_waha::Column::UserId, user_waha::Column::SessionId];
    Upsert::<user_waha::Entity>::new(dialect, key).run(db, rows).await
}

/// The users that the sessions name now.
async fn users(
    db: &impl ConnectionTrait,
    sessions: &[i64],
) -> Result<Vec<(i64, Option<String>)>, DbErr> {
    let mut select = Query::select();
    select
        .columns(["id", "user_id"].map(Alias::new))
        .from(Alias::new(SESSIONS))
        .and_where(Expr::col(Alias::new("id")).is_in(sessions.iter().copied()))
        .order_by(Alias::new("id"), sea_orm::Order::Asc);
    let rows = db.query_all(&select).await?;
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "user_id")?))).collect()
}

/// Removes the links that a session's row does not name any more.
async fn remove_old(db: &impl ConnectionTrait, sessions: &[i64]) -> Result<(), DbErr> {
    let link = |column: &'static str| Expr::col((Alias::new(TABLE), Alias::new(column)));
    let session = |column: &'static str| Expr::col((Alias::new(SESSIONS), Alias::new(column)));
    let mut named = Query::select();
    named
        .column(Alias::new("id"))
        .from(Alias::new(SESSIONS))
        .and_where(session("id").eq(link("session_id")))
        .and_where(session("user_id").eq(link("user_id")));
    let mut delete = Query::delete();
    delete
        .from_table(Alias::new(TABLE))
        .and_where(link("session_id").is_in(sessions.iter().copied()))
        .and_where(link("origin").eq(ORIGIN))
        .and_where(Expr::exists(named).not());
    db.execute(&delete).await.map(drop)
}

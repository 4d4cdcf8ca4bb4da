//! `user_waha`: which application's user a session belongs to, as its metadata says now.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::store::dialect::Dialect;
use crate::store::upsert::Upsert;

const TABLE: &str = "user_waha";
/// Marks rows that follow the metadata; those of the application are left alone.
const ORIGIN: &str = "metadata";

/// Makes the links of these sessions what `waha_sessions.user_id` says after this transaction.
pub(in crate::store) async fn follow(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    sessions: &[i64],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let users = users(db, sessions).await?;
    remove_old(db, &users).await?;
    let rows = users.into_iter().filter_map(|(session, user)| {
        Some(vec![Value::from(user?), session.into(), ORIGIN.into(), now.into()])
    });
    Upsert::new(
        dialect,
        TABLE,
        &["user_id", "session_id"],
        &["user_id", "session_id", "origin", "updated_at"],
    )
    .run(db, rows.collect())
    .await
}

/// The users that the sessions name now.
async fn users(
    db: &impl ConnectionTrait,
    sessions: &[i64],
) -> Result<Vec<(i64, Option<String>)>, DbErr> {
    let mut select = Query::select();
    select
        .columns(["id", "user_id"].map(Alias::new))
        .from(Alias::new("waha_sessions"))
        .and_where(Expr::col(Alias::new("id")).is_in(sessions.iter().copied()))
        .order_by(Alias::new("id"), sea_orm::Order::Asc);
    let rows = db.query_all(&select).await?;
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "user_id")?))).collect()
}

async fn remove_old(
    db: &impl ConnectionTrait,
    users: &[(i64, Option<String>)],
) -> Result<(), DbErr> {
    for (session, user) in users {
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(TABLE))
            .and_where(Expr::col(Alias::new("session_id")).eq(*session))
            .and_where(Expr::col(Alias::new("origin")).eq(ORIGIN))
            .and_where(Expr::col(Alias::new("user_id")).ne(user.clone().unwrap_or_default()));
        db.execute(&delete).await?;
    }
    Ok(())
}

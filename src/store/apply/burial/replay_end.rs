//! How replays end: part of the transactions that apply a webhook or bury it again.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::TABLE;
use super::state::DeadLetterState;
use crate::store::apply::ledger::any_of;
use crate::store::apply::outcome::Outcome;
use crate::store::sql::chunks::rows_max;
use crate::webhook::WebhookKey;

/// Says that replays came to a good end. Nothing to do for keys without a dead letter.
pub(in crate::store) async fn end_replays(
    db: &impl ConnectionTrait,
    ended: &[(&WebhookKey, Outcome)],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids = ids_of(db, ended.iter().map(|(key, _)| *key).collect()).await?;
    let mut by_outcome: BTreeMap<(&str, Option<&str>), Vec<i64>> = BTreeMap::new();
    for (key, outcome) in ended {
        if let Some(id) = ids.get(*key) {
            by_outcome.entry((outcome.name(), outcome.reason())).or_default().push(*id);
        }
    }
    for ((outcome, reason), ids) in by_outcome {
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .values([
                (Alias::new("state"), Expr::val(DeadLetterState::Replayed.name())),
                (Alias::new("resolved_at"), Expr::val(now)),
                (Alias::new("updated_at"), Expr::val(now)),
            ])
            .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()));
        db.execute(&update).await?;
        end(db, &ids, outcome, reason, now).await?;
    }
    Ok(())
}

/// Says that a replay ended as a dead letter again.
pub(super) async fn end_in_failure(
    db: &impl ConnectionTrait,
    key: &WebhookKey,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let ids: Vec<i64> = ids_of(db, vec![key]).await?.into_values().collect();
    let outcome = Outcome::DeadLettered("").name();
    end(db, &ids, outcome, Some(reason), now).await
}

/// Ends the replays of these dead letters that have not ended yet.
async fn end(
    db: &impl ConnectionTrait,
    ids: &[i64],
    outcome: &str,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut update = Query::update();
    update
        .table(Alias::new("dead_letter_replays"))
        .values([
            (Alias::new("ended_at"), Expr::val(now)),
            (Alias::new("outcome"), Expr::val(outcome)),
            (Alias::new("reason"), Expr::val(reason)),
            (Alias::new("updated_at"), Expr::val(now)),
        ])
        .and_where(Expr::col(Alias::new("dead_letter_id")).is_in(ids.iter().copied()))
        .and_where(Expr::col(Alias::new("ended_at")).is_null());
    db.execute(&update).await.map(drop)
}

/// The dead letters of these webhooks, as far as there are any.
pub(super) async fn ids_of(
    db: &impl ConnectionTrait,
    keys: Vec<&WebhookKey>,
) -> Result<HashMap<WebhookKey, i64>, DbErr> {
    let mut ids = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(rows_max(4)) {
        let mut select = Query::select();
        select
            .columns(["id", "source", "session", "event_type", "webhook_id"].map(Alias::new))
            .from(Alias::new(TABLE))
            .cond_where(any_of(keys));
        for row in db.query_all(&select).await? {
            let key = WebhookKey {
                source: row.try_get("", "source")?,
                session: row.try_get("", "session")?,
                event_type: row.try_get("", "event_type")?,
                id: row.try_get("", "webhook_id")?,
            };
            ids.insert(key, row.try_get("", "id")?);
        }
    }
    Ok(ids)
}

//! Dead letters: webhooks we stopped retrying, kept as rows with all that an operator needs.
//!
//! One row per webhook, however often it is replayed. `bury` is called by the worker, the rest by
//! the CLI.

mod bury;
mod desk;
mod fingerprint;

pub use bury::Burial;
pub use desk::{DeadLetter, Filter, State};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use crate::webhook::WebhookKey;

const TABLE: &str = "dead_letters";

/// Says that replays came to a good end; part of the transaction that applied them.
pub(super) async fn mark_replayed(
    db: &impl ConnectionTrait,
    keys: impl Iterator<Item = &WebhookKey>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    for key in keys {
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .values([
                (Alias::new("state"), Expr::val(State::Replayed.name())),
                (Alias::new("resolved_at"), Expr::val(now)),
                (Alias::new("updated_at"), Expr::val(now)),
            ])
            .cond_where(has_key(key));
        db.execute(&update).await?;
    }
    Ok(())
}

fn has_key(key: &WebhookKey) -> Cond {
    let column = |name: &'static str| Expr::col(Alias::new(name));
    Cond::all()
        .add(column("source").eq(&key.source))
        .add(column("session").eq(&key.session))
        .add(column("event_type").eq(&key.event_type))
        .add(column("webhook_id").eq(&key.id))
}

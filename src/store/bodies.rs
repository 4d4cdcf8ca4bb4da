//! The bodies of the ledger, wherever they are: in `webhook_events.body` as they came, or packed in
//! `webhook_bodies`. Everybody who wants a body asks [`Store::bodies`].
//!
//! Called by `apply`, which writes them with the ledger, and by `operations` and those above it, which read them.
//!
//! Reading order: `read`; `write`; `dictionaries`.
//!
//! Invariant:
//! - A body is in one of both places. Where it is in both for once (written plain by a release or process that
//!   does not pack, and packed before), that which was packed is the first, and counts.
//! - Both places are asked in one statement, so a body is found at every instant while it is moved.
//! - A body is packed by the receipt that made the ledger's row, in the transaction that writes this row.
//!
//! May import `sql`, `connect`, and what `store` shares.

mod dictionaries;
pub mod read;
mod write;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, FunctionCall, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, RelationDef};

use entity::{webhook_bodies, webhook_events};

pub use read::{BodyError, ReadBody};

/// From the ledger to the packed bodies.
pub(in crate::store) fn packed() -> RelationDef {
    webhook_events::Entity::belongs_to(webhook_bodies::Entity)
        .from(webhook_events::Column::Id)
        .to(webhook_bodies::Column::WebhookEventId)
        .into()
}

/// Whether a body of the ledger joined with [`packed`] is packed.
pub(in crate::store) fn is_packed() -> SimpleExpr {
    webhook_bodies::Column::WebhookEventId.is_not_null()
}

/// The length of a body, of the ledger joined with [`packed`]; null where there is none.
pub(in crate::store) fn length(backend: DbBackend) -> SimpleExpr {
    let packed = Expr::col((webhook_bodies::Entity, webhook_bodies::Column::BodyBytes));
    integer(Func::coalesce([packed, plain().into()]), backend)
}

/// The same of a body that is in the ledger.
pub(in crate::store) fn plain_length(backend: DbBackend) -> SimpleExpr {
    integer(plain(), backend)
}

fn plain() -> FunctionCall {
    let body = Expr::col((webhook_events::Entity, webhook_events::Column::Body));
    Func::cust("LENGTH").arg(body)
}

/// Lengths have different types on each database.
fn integer(length: FunctionCall, backend: DbBackend) -> SimpleExpr {
    let integer = match backend {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    Expr::expr(length).cast_as(Alias::new(integer))
}

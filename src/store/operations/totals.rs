//! How many webhooks ended, and how: counted rows, not kept sums. One half of the equation of
//! `status`; the other half is the queue's.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};

use super::dead_letter::big_integer;
use super::history::LedgerOutcome;
use crate::store::Store;
use crate::store::apply::ledger::{LedgerOwners, owners};
use crate::store::audit::AuditAction;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::error::StoreError;
use crate::webhook::{Receipt, WebhookKey};

/// What the ledger says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// Webhooks whose changes are in the tables.
    pub applied: u64,
    /// Requests that repeated a webhook.
    pub duplicate: u64,
    /// Webhooks that tell nothing for our tables.
    pub ignored: u64,
    /// Webhooks that are kept as dead letters.
    pub dead_lettered: u64,
    /// Webhooks that no door took in but an import of dead letters, by its own count.
    pub imported: u64,
}

impl LedgerTotals {
    /// All that ended.
    pub fn ended(&self) -> u64 {
        self.applied + self.duplicate + self.ignored + self.dead_lettered
    }
}

impl Store {
    /// The totals, and how many of the requests in hand are already among them, at one moment.
    ///
    /// A request is in both the queue and the ledger between its transaction and its ack, or after
    /// a kill between the two.
    pub async fn totals(
        &self,
        in_hand: &[(WebhookKey, Receipt)],
    ) -> Result<(LedgerTotals, u64), StoreError> {
        let db = self.snapshot().await?;
        let totals = count(&db).await?;
        let owners = owners(&db, in_hand.iter().map(|(key, _)| key)).await?;
        let ended = count_ended(&db, in_hand, &owners).await?;
        db.rollback().await?;
        Ok((totals, ended))
    }
}

/// Dead letters that were published again and have not ended yet: they wait, and were accepted long
/// ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenReplays {
    /// Those that the queue is known to have.
    pub published: u64,
    /// Those that it may have, or have twice, because a process has just marked them or died on it.
    pub unsure: u64,
}

/// A replay that was published twice is long gone from the queue after this.
const REPEATED_MAX: chrono::Duration = chrono::Duration::hours(1);

impl Store {
    /// How many replays are on their way.
    pub async fn replays(&self) -> Result<OpenReplays, StoreError> {
        let column = |name: &'static str| Expr::col(Alias::new(name));
        let mut published = from("dead_letter_replays");
        published.and_where(column("ended_at").is_null());
        published.and_where(column("published_at").is_not_null());
        let mut marked = from("dead_letter_replays");
        marked.and_where(column("ended_at").is_null());
        marked.and_where(column("published_at").is_null());
        let mut repeated = from("dead_letter_replays");
        repeated.and_where(column("repeated_at").gt(self.clock.now() - REPEATED_MAX));
        let marked = number(&self.pool().db, &marked).await?;
        Ok(OpenReplays {
            published: number(&self.pool().db, &published).await?,
            unsure: marked + number(&self.pool().db, &repeated).await?,
        })
    }
}

/// Counts the rows of a table.
fn from(table: &'static str) -> SelectStatement {
    let mut select = Query::select();
    select
        .expr_as(Func::count(Expr::col(Alias::new("id"))), Alias::new("rows"))
        .from(Alias::new(table));
    select
}

async fn number(db: &impl ConnectionTrait, select: &SelectStatement) -> Result<u64, StoreError> {
    let row = db.query_one(select).await?;
    let rows = row.map(|row| row.try_get::<i64>("", "rows")).transpose()?.unwrap_or_default();
    Ok(u64::try_from(rows).unwrap_or_default())
}

async fn count(db: &CheckedTransaction) -> Result<LedgerTotals, StoreError> {
    let mut totals = LedgerTotals::default();
    let mut select = Query::select();
    select
        .column(Alias::new("outcome"))
        .expr_as(Func::count(Expr::col(Alias::new("id"))), Alias::new("rows"))
        .from(Alias::new("webhook_events"))
        .group_by_col(Alias::new("outcome"));
    for row in db.query_all(&select).await? {
        let rows = u64::try_from(row.try_get::<i64>("", "rows")?).unwrap_or_default();
        match row.try_get("", "outcome")? {
            LedgerOutcome::Applied => totals.applied = rows,
            LedgerOutcome::Ignored => totals.ignored = rows,
            LedgerOutcome::DeadLettered => totals.dead_lettered = rows,
        }
    }
    totals.duplicate = count_duplicates(db, None).await?;
    totals.imported = count_imported(db).await?;
    Ok(totals)
}

/// By the audit log, which counts apart from the ledger: an import that got lost would show.
async fn count_imported(db: &CheckedTransaction) -> Result<u64, StoreError> {
    let backend = db.get_database_backend();
    let sum = Func::sum(Expr::col(Alias::new("affected")));
    let sum =
        Func::cast_as(Func::coalesce([sum.into(), Expr::val(0)]), Alias::new(big_integer(backend)));
    let mut select = Query::select();
    select
        .expr_as(sum, Alias::new("rows"))
        .from(Alias::new("audit_logs"))
        .and_where(Expr::col(Alias::new("action")).eq(AuditAction::Import.name()));
    number(db, &select).await
}

async fn count_ended(
    db: &CheckedTransaction,
    in_hand: &[(WebhookKey, Receipt)],
    owners: &LedgerOwners,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for (key, receipt) in in_hand {
        ended += match owners.get(key) {
            Some((_, owner)) if owner == receipt => 1,
            Some((id, _)) => count_duplicates(db, Some((*id, *receipt))).await?,
            None => 0,
        };
    }
    Ok(ended)
}

/// Repetitions: all, or those with one receipt of one webhook.
async fn count_duplicates(
    db: &CheckedTransaction,
    of: Option<(i64, Receipt)>,
) -> Result<u64, StoreError> {
    let mut select = from("webhook_duplicates");
    if let Some((event, receipt)) = of {
        select.and_where(Expr::col(Alias::new("webhook_event_id")).eq(event));
        select.and_where(Expr::col(Alias::new("receipt")).eq(receipt.0));
    }
    number(db, &select).await
}

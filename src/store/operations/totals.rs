//! How many webhooks ended, and how: rows that are counted, and the sums of those that retention let go of. One
//! half of the equation of `status`; the other half is the queue's.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, Query, SelectStatement};

use super::dead_letter::big_integer;
use super::history::LedgerOutcome;
use super::retention::parts::count_leaving;
use super::retention::sums;
use crate::store::Store;
use crate::store::apply::ledger::{LedgerOwners, owners};
use crate::store::audit::AuditAction;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::months::MonthTable;
use crate::store::sql::error::StoreError;
use crate::webhook::{Receipt, WebhookKey};

const LEDGER: &str = "webhook_events";

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
    /// Webhooks that no door took in but an import or a reconciliation, by their own counts.
    pub imported: u64,
}

impl LedgerTotals {
    /// All that ended.
    pub fn ended(&self) -> u64 {
        self.applied + self.duplicate + self.ignored + self.dead_lettered
    }
}

/// The ledger as it is at one moment, to be counted later while others write.
pub struct LedgerMoment {
    db: CheckedTransaction,
}

impl Store {
    /// Prepares a look at one moment, which [`LedgerMoment::fix`] chooses.
    pub async fn ledger_moment(&self) -> Result<LedgerMoment, StoreError> {
        Ok(LedgerMoment { db: self.snapshot().await? })
    }

    /// [`LedgerMoment::totals`] of now.
    pub async fn totals(
        &self,
        in_hand: &[(WebhookKey, Receipt)],
    ) -> Result<(LedgerTotals, u64), StoreError> {
        self.ledger_moment().await?.totals(in_hand).await
    }
}

impl LedgerMoment {
    /// Chooses this moment: one row is read, because databases take their snapshot with the first.
    pub async fn fix(&self) -> Result<(), StoreError> {
        let mut select = Query::select();
        select.column(Alias::new("id")).from(Alias::new("waha_feed"));
        self.db.query_one(&select).await?;
        Ok(())
    }

    /// The totals, and how many of the requests in hand are already among them.
    ///
    /// A request is in both the queue and the ledger between its transaction and its ack, or after
    /// a kill between the two.
    pub async fn totals(
        self,
        in_hand: &[(WebhookKey, Receipt)],
    ) -> Result<(LedgerTotals, u64), StoreError> {
        let totals = count(&self.db).await?;
        let owners = owners(&self.db, in_hand.iter().map(|(key, _)| key)).await?;
        let ended = count_ended(&self.db, in_hand, &owners).await?;
        self.db.rollback().await?;
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

/// Counts the rows of a table: not those that have an id, because few indexes hold that.
fn from(table: &str) -> SelectStatement {
    let mut select = Query::select();
    select.expr_as(Func::count(Expr::col(Asterisk)), Alias::new("rows")).from(Alias::new(table));
    select
}

async fn number(db: &impl ConnectionTrait, select: &SelectStatement) -> Result<u64, StoreError> {
    let row = db.query_one(select).await?;
    let rows = row.map(|row| row.try_get::<i64>("", "rows")).transpose()?.unwrap_or_default();
    Ok(u64::try_from(rows).unwrap_or_default())
}

async fn count(db: &CheckedTransaction) -> Result<LedgerTotals, StoreError> {
    let mut totals = count_ledger(db, LEDGER).await?;
    totals.duplicate = count_duplicates(db, None).await?;
    add_leaving(db, &mut totals).await?;
    totals.imported = count_imported(db).await? + count_backfilled(db).await?;
    add_gone(db, &mut totals).await?;
    Ok(totals)
}

/// Counts the rows of a table by outcome.
async fn count_ledger(db: &CheckedTransaction, table: &str) -> Result<LedgerTotals, StoreError> {
    let mut totals = count_others(db, table).await?;
    let all = number(db, &from(table)).await?;
    totals.applied = all.saturating_sub(totals.ended());
    Ok(totals)
}

/// Adds what is being let go of, and is in no table that others see.
async fn add_leaving(db: &CheckedTransaction, totals: &mut LedgerTotals) -> Result<(), StoreError> {
    if let Some(table) = count_leaving(db, MonthTable::Ledger).await? {
        let leaving = count_ledger(db, &table).await?;
        totals.applied += leaving.applied;
        totals.ignored += leaving.ignored;
        totals.dead_lettered += leaving.dead_lettered;
    }
    if let Some(table) = count_leaving(db, MonthTable::Duplicates).await? {
        totals.duplicate += number(db, &from(&table)).await?;
    }
    Ok(())
}

/// Adds what retention let go of.
async fn add_gone(db: &CheckedTransaction, totals: &mut LedgerTotals) -> Result<(), StoreError> {
    for (outcome, rows) in sums::gone(db).await? {
        let total = match LedgerOutcome::of(&outcome) {
            Some(LedgerOutcome::Applied) => &mut totals.applied,
            Some(LedgerOutcome::Ignored) => &mut totals.ignored,
            Some(LedgerOutcome::DeadLettered) => &mut totals.dead_lettered,
            None => &mut totals.duplicate,
        };
        *total += rows;
    }
    Ok(())
}

/// Those that did not end as applied, which an index holds apart; its condition stands here as it does there.
async fn count_others(db: &CheckedTransaction, table: &str) -> Result<LedgerTotals, StoreError> {
    let outcome = || Alias::new("outcome");
    let mut select = from(table);
    select.column(outcome()).and_where(Expr::cust("outcome <> 'applied'")).group_by_col(outcome());
    let mut totals = LedgerTotals::default();
    for row in db.query_all(&select).await? {
        let rows = u64::try_from(row.try_get::<i64>("", "rows")?).unwrap_or_default();
        match row.try_get("", "outcome")? {
            LedgerOutcome::Applied => {}
            LedgerOutcome::Ignored => totals.ignored = rows,
            LedgerOutcome::DeadLettered => totals.dead_lettered = rows,
        }
    }
    Ok(totals)
}

/// By the audit log, which counts apart from the ledger: an import that got lost would show.
async fn count_imported(db: &CheckedTransaction) -> Result<u64, StoreError> {
    let mut select = sum(db, "audit_logs", "affected");
    select.and_where(Expr::col(Alias::new("action")).eq(AuditAction::Import.name()));
    number(db, &select).await
}

/// By the rows of the reconciliations: a few for each session.
async fn count_backfilled(db: &CheckedTransaction) -> Result<u64, StoreError> {
    number(db, &sum(db, "reconciliations", "accepted")).await
}

fn sum(db: &CheckedTransaction, table: &'static str, column: &'static str) -> SelectStatement {
    let sum = Func::sum(Expr::col(Alias::new(column)));
    let number = Alias::new(big_integer(db.get_database_backend()));
    let sum = Func::cast_as(Func::coalesce([sum.into(), Expr::val(0)]), number);
    let mut select = Query::select();
    select.expr_as(sum, Alias::new("rows")).from(Alias::new(table));
    select
}

async fn count_ended(
    db: &CheckedTransaction,
    in_hand: &[(WebhookKey, Receipt)],
    owners: &LedgerOwners,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for (key, receipt) in in_hand {
        ended += match owners.get(key) {
            Some(owner) if owner.receipt == *receipt => 1,
            Some(owner) => count_duplicates(db, Some((owner.id, *receipt))).await?,
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

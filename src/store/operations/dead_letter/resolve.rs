//! Gives dead letters up, or takes that back: page by page, each page with its count in the audit log
//! in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, QuerySelect};

use entity::dead_letters::Column;

use super::DeadLetterFilter;
use super::read::select;
use crate::store::Store;
use crate::store::apply::burial::TABLE;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::hold::hold;
use crate::store::operations::page::RowPage;
use crate::store::sql::error::StoreError;

/// Rows changed in one transaction.
const PAGE: u64 = 500;

/// A change of state that an operator makes.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterResolution<'a> {
    /// Which dead letters; what else they are is up to `from`.
    pub filter: &'a DeadLetterFilter,
    /// Who wants it.
    pub actor: &'a Actor,
    /// Why.
    pub note: &'a str,
    /// Pending ones are given up, or given up ones are pending again.
    pub gives_up: bool,
    /// Nothing above this number: what has come since nobody has seen.
    pub last_id: i64,
}

impl DeadLetterResolution<'_> {
    fn from(&self) -> DeadLetterState {
        if self.gives_up { DeadLetterState::Pending } else { DeadLetterState::Discarded }
    }

    fn entry(&self) -> AuditEntry<'_> {
        let action = if self.gives_up { AuditAction::Discard } else { AuditAction::Restore };
        let filter = Some(self.filter.to_json());
        let note = Some(self.note);
        AuditEntry { filter, note, ..AuditEntry::new(action, self.actor) }
    }

    fn values(&self, now: DateTime<Utc>) -> [(Alias, SimpleExpr); 5] {
        let by = audit::fitting(&self.actor.name);
        let (state, at, by) = if self.gives_up {
            (DeadLetterState::Discarded, Some(now), Some(by))
        } else {
            (DeadLetterState::Pending, None, None)
        };
        [
            (Alias::new("state"), Expr::val(state.name())),
            (Alias::new("resolved_at"), Expr::val(at)),
            (Alias::new("resolved_by"), Expr::val(by)),
            (Alias::new("note"), Expr::val(self.note)),
            (Alias::new("updated_at"), Expr::val(now)),
        ]
    }
}

impl Store {
    /// Does it to all that the filter names and that are in the right state; returns how many.
    /// `ticked` is told how many more there are. An outage is waited for.
    pub async fn resolve_letters(
        &self,
        resolution: &DeadLetterResolution<'_>,
        mut ticked: impl FnMut(u64),
    ) -> Result<u64, StoreError> {
        let entry = resolution.entry();
        let log = hold(|| self.record(&entry)).await?;
        let (mut after_id, mut resolved) = (0, 0);
        loop {
            let page = RowPage { after_id, last_id: resolution.last_id, limit: PAGE };
            let ids = hold(|| self.resolve_page(resolution, page, log)).await?;
            let Some(last) = ids.last() else { return Ok(resolved) };
            after_id = *last;
            resolved += ids.len() as u64;
            ticked(ids.len() as u64);
        }
    }

    async fn resolve_page(
        &self,
        resolution: &DeadLetterResolution<'_>,
        page: RowPage,
        log: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        // Writes before it reads: SQLite can't turn a reader into a writer.
        audit::count(&db, log, 0).await?;
        let filter =
            DeadLetterFilter { states: vec![resolution.from()], ..resolution.filter.clone() };
        let ids = lock(&db, &filter, page).await?;
        if !ids.is_empty() {
            let mut update = Query::update();
            update
                .table(Alias::new(TABLE))
                .values(resolution.values(now))
                .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()));
            db.execute(&update).await?;
            audit::count(&db, log, ids.len() as u64).await?;
        }
        db.commit().await?;
        Ok(ids)
    }
}

/// The numbers of a page, held until the transaction ends.
async fn lock(
    db: &CheckedTransaction,
    filter: &DeadLetterFilter,
    page: RowPage,
) -> Result<Vec<i64>, StoreError> {
    let rows = select(filter, page, db.get_database_backend());
    Ok(rows.select_only().column(Column::Id).lock_exclusive().into_tuple().all(db).await?)
}

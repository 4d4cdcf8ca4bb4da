//! What WAHA's lists tell of a session and its people: changes that no webhook told, so the ledger has no row of them
//! and the equation knows nothing of it.
//!
//! Called by `reconcile` and `directory`. One transaction for each page, with the feed, and with how far a refresh
//! got. Versions decide what is written ([`crate::normalize::listing`]); only two ids that are told to be one person
//! have none, so a pair that contradicts what is known is left out here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Value};
use tokio::time::timeout;

use entity::waha_contacts;

use super::backfill::ReconciliationFence;
use super::batch::TIMEOUT;
use super::reread::Tellers;
use super::write::write_changes;
use crate::change::{Changes, Link, PersonKey, SessionKey};
use crate::store::Store;
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::KEYS_MAX;

const TABLE: &str = "reconciliations";

/// As what lists are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedWrite {
    /// They are, by whoever comes.
    Free,
    /// They are not: it is counted what would change.
    Dry,
    /// They are, by whoever has this refresh, which gets as far as that.
    Fenced(ListedProgress),
}

/// How far a refresh gets with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedProgress {
    /// Whose it is.
    pub fence: ReconciliationFence,
    /// Where it goes on.
    pub mark: i64,
    /// Requests to WAHA since the page before.
    pub requests: u64,
    /// Rows that WAHA listed since then.
    pub listed: u64,
}

impl Store {
    /// Writes what lists tell. Returns how many rows that applications see have changed, or would. An error if
    /// another worker has the refresh by now; then nothing is written.
    pub async fn apply_listed(
        &self,
        changes: Changes,
        write: ListedWrite,
    ) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        let seen = self.seen();
        let applied = tokio::select! {
            applied = timeout(TIMEOUT, Box::pin(self.write_listed(changes, write))) => {
                applied.unwrap_or(Err(StoreError::Timeout(TIMEOUT.as_secs())))
            }
            () = seen.switched() => Err(StoreError::Switched),
        };
        if applied.as_ref().is_err_and(|error| !error.class().is_blameless()) {
            // A row may have been deleted by hand: don't trust the ids the next time.
            self.ids.forget();
        }
        applied
    }

    async fn write_listed(
        &self,
        mut changes: Changes,
        write: ListedWrite,
    ) -> Result<u64, StoreError> {
        self.leave_out_contradictions(&mut changes).await?;
        let known = match write {
            ListedWrite::Dry => self.known_of(&changes),
            ListedWrite::Free | ListedWrite::Fenced(_) => self.ensure_contacts(&changes).await?,
        };
        let transaction = self.begin().await?;
        if let ListedWrite::Fenced(progress) = write {
            // Locked first of all, so of two workers that believe to have it one waits, and finds that it has not.
            self.advance_listed(&transaction, progress).await?;
        }
        let context = self.write_context(&transaction);
        let (rows, known) = write_rows(&context, changes, known).await?;
        if write == ListedWrite::Dry {
            transaction.rollback().await?;
            return Ok(rows);
        }
        if let ListedWrite::Fenced(ListedProgress { fence, .. }) = write {
            self.count_changed(&transaction, fence, rows).await?;
        }
        let place = self.append_changes(&context).await?;
        self.commit(transaction, place, &known).await?;
        self.ids.learn(known);
        Ok(rows)
    }

    /// Moves a refresh on; an error if another worker has it.
    async fn advance_listed(
        &self,
        db: &CheckedTransaction,
        progress: ListedProgress,
    ) -> Result<(), StoreError> {
        let ListedProgress { fence, mark, requests, listed } = progress;
        let now = Expr::val(self.dialect.bind(Value::from(self.clock.now())));
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("mark"), mark)
            .value(Alias::new("requests"), plus("requests", requests))
            .value(Alias::new("listed"), plus("listed", listed))
            .value(Alias::new("updated_at"), now)
            .and_where(column("id").eq(fence.id))
            .and_where(column("lease_number").eq(fence.lease_number));
        match db.execute(&update).await?.rows_affected() {
            0 => Err(StoreError::Vanished(TABLE)),
            _ => Ok(()),
        }
    }

    async fn count_changed(
        &self,
        db: &CheckedTransaction,
        fence: ReconciliationFence,
        rows: u64,
    ) -> Result<(), StoreError> {
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("missing"), plus("missing", rows))
            .and_where(column("id").eq(fence.id));
        db.execute(&update).await?;
        Ok(())
    }

    /// A LID that is known to be another phone's stays that one's: lists of some releases were wrong, and two people
    /// that were made one can't be told apart any more.
    async fn leave_out_contradictions(&self, changes: &mut Changes) -> Result<(), StoreError> {
        let links = std::mem::take(&mut changes.links);
        let phones = self.phones_of(&links).await?;
        let is_sound = |link: &Link| {
            let [lid, phone] = link.ends();
            let own = phones.get(&phone).unwrap_or(&link.phone);
            phones.get(&lid).is_none_or(|known| known == own)
        };
        changes.links = links.into_iter().filter(is_sound).collect();
        Ok(())
    }

    /// The phone ids that stand for the ends of links, as far as they are known.
    async fn phones_of(
        &self,
        links: &BTreeSet<Link>,
    ) -> Result<HashMap<PersonKey, String>, StoreError> {
        let mut by_session: BTreeMap<&SessionKey, BTreeSet<&str>> = BTreeMap::new();
        for link in links {
            let ids = by_session.entry(&link.session).or_default();
            ids.extend([link.lid.as_str(), link.phone.as_str()]);
        }
        let mut phones = HashMap::new();
        for (session, ids) in by_session {
            for (jid, phone) in self.standing_phones(session, ids).await? {
                phones.insert(PersonKey { session: session.clone(), jid }, phone);
            }
        }
        Ok(phones)
    }

    async fn standing_phones(
        &self,
        session: &SessionKey,
        ids: BTreeSet<&str>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        use entity::waha_sessions as s;
        let pool = self.pool();
        let found = s::Entity::find()
            .filter(s::Column::Source.eq(&*session.source))
            .filter(s::Column::Name.eq(&*session.name));
        let Some(found) = found.one(&pool.db).await? else { return Ok(Vec::new()) };
        let (mut phones, ids) = (Vec::new(), ids.into_iter().collect::<Vec<_>>());
        for ids in ids.chunks(KEYS_MAX) {
            let rows = waha_contacts::Entity::find()
                .filter(waha_contacts::Column::SessionId.eq(found.id))
                .filter(waha_contacts::Column::Jid.is_in(ids.iter().copied()));
            let rows = rows.all(&pool.db).await?.into_iter();
            phones.extend(rows.filter_map(|row| Some((row.jid, row.phone?))));
        }
        Ok(phones)
    }
}

async fn write_rows(
    context: &WriteContext<'_>,
    changes: Changes,
    known: KnownRows,
) -> Result<(u64, KnownRows), StoreError> {
    let written = write_changes(context, changes, Tellers::default(), known).await?;
    Ok((context.log.len() as u64, written.known))
}

fn column(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

fn plus(name: &'static str, more: u64) -> Expr {
    column(name).add(i64::try_from(more).unwrap_or(i64::MAX))
}

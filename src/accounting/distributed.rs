//! Counting with a broker: looks until it is known whether something is missing, or until it is clear
//! that nobody can know now.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::accounting::snapshot::{BEATS_BETWEEN, Snapshot, WorkerSnapshot};
use crate::accounting::verdict::{judge, settlement};
use crate::accounting::{Accounting, AccountingError};
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::spool::DoorCounts;
use crate::store::Store;
use crate::store::operations::processes::{ProcessRow, in_hand};
use crate::store::operations::settlement::Settlement;

/// How often it looks while it waits for beats.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long and how often it waits for a door to count what it took.
const LOOK_SOON: Duration = Duration::from_millis(300);
const LOOKS_MAX: usize = 4;

/// What is counted where there is a broker. Clones share what was seen last.
#[derive(Clone)]
pub struct Distributed {
    /// The broker.
    pub broker: RabbitmqQueue,
    /// The spool file of every door.
    pub spools: Vec<PathBuf>,
    /// How often workers beat.
    pub beat_every: Duration,
    seen: Arc<Mutex<Option<Snapshot>>>,
}

impl Distributed {
    /// Counts this broker and these spool files.
    pub fn new(broker: RabbitmqQueue, spools: Vec<PathBuf>, beat_every: Duration) -> Self {
        Self { broker, spools, beat_every, seen: Arc::default() }
    }

    /// Counts; if something is in no queue and no table, again until every worker has beaten, or until
    /// it is clear that nobody can know.
    pub async fn count(&self, store: &Store) -> Result<Accounting, AccountingError> {
        let first = self.look_at_rest(store).await?;
        let equation = judge(None, &first);
        if equation.balanced.is_some() || first.unaccounted() == 0 || first.moved > 0 {
            return Ok(equation);
        }
        let (now, is_known) = self
            .look_until(store, &first, |now| judge(Some(&first), now).balanced.is_some())
            .await?;
        Ok(judge(Some(&first).filter(|_| is_known || now.agrees_with(&first)), &now))
    }

    /// What could be settled now.
    pub async fn settlement(
        &self,
        store: &Store,
    ) -> Result<Result<Settlement, String>, AccountingError> {
        let first = self.look_at_rest(store).await?;
        let (now, _) =
            self.look_until(store, &first, |now| settlement(&first, now).is_ok()).await?;
        Ok(settlement(&first, &now))
    }

    /// Counts without waiting, for who asks again and again: compares with the first look of those that
    /// saw the same.
    pub async fn count_moving(&self, store: &Store) -> Result<Accounting, AccountingError> {
        let now = self.look(store).await?;
        let mut seen = self.seen.lock().await;
        let equation = judge(seen.as_ref(), &now);
        if !seen.as_ref().is_some_and(|before| now.agrees_with(before)) {
            *seen = Some(now);
        }
        Ok(equation)
    }

    /// Looks until a door has counted what it took a moment ago; not for ever, because others come.
    async fn look_at_rest(&self, store: &Store) -> Result<Snapshot, AccountingError> {
        let mut look = self.look(store).await?;
        for _ in 0..LOOKS_MAX {
            if look.moved == 0 && !look.books.is_moving {
                break;
            }
            tokio::time::sleep(LOOK_SOON).await;
            look = self.look(store).await?;
        }
        Ok(look)
    }

    /// Looks until it is known, by a beat of every worker; says whether it is. Ends early if something
    /// moves.
    async fn look_until(
        &self,
        store: &Store,
        first: &Snapshot,
        is_known: impl Fn(&Snapshot) -> bool,
    ) -> Result<(Snapshot, bool), AccountingError> {
        let begun = Instant::now();
        let beats = u32::try_from(BEATS_BETWEEN).unwrap_or(u32::MAX);
        let limit = self.beat_every * (beats + 2);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.look(store).await?;
            let is_one_beat_apart = begun.elapsed() >= self.beat_every;
            if is_one_beat_apart && is_known(&now) {
                return Ok((now, true));
            }
            if begun.elapsed() >= limit || !now.agrees_with(first) {
                return Ok((now, false));
            }
        }
    }

    /// The books of all doors.
    pub async fn books(&self) -> Result<DoorCounts, AccountingError> {
        let mut books = DoorCounts::default();
        for path in &self.spools {
            books.add(DoorCounts::read(path).await?);
        }
        Ok(books)
    }

    /// Looks at books and broker before and after the ledger, so that it knows what moved.
    pub(super) async fn look(&self, store: &Store) -> Result<Snapshot, AccountingError> {
        let mut before = self.look_once(store).await?;
        (before.totals, _) = store.totals(&[]).await?;
        before.settled = store.settled().await?;
        let mut look = self.look_once(store).await?;
        look.moved = look.books.accepted.abs_diff(before.books.accepted)
            + look.waiting().abs_diff(before.waiting());
        (look.totals, look.settled) = (before.totals, before.settled);
        look.workers = workers(&store.processes().await?);
        Ok(look)
    }

    /// Without the ledger.
    async fn look_once(&self, store: &Store) -> Result<Snapshot, AccountingError> {
        let books = self.books().await?;
        let survey = self.broker.survey().await?;
        let replays = store.replays().await?;
        let there = survey.depth.total() + survey.given_up + books.replays;
        Ok(Snapshot {
            // Replays wait too, but were accepted, and are counted in the ledger, long ago.
            on_broker: there.saturating_sub(replays.published),
            replays_unsure: replays.unsure.min(there + books.waiting),
            consumers: survey.consumers,
            books,
            ..Snapshot::default()
        })
    }
}

fn workers(rows: &[ProcessRow]) -> Vec<WorkerSnapshot> {
    let worker = |row: &ProcessRow| WorkerSnapshot {
        instance: row.instance.clone(),
        beats: row.beats,
        in_hand: in_hand(row),
    };
    rows.iter().map(worker).collect()
}

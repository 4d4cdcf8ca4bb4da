//! The equation: every accepted webhook is applied, a duplicate, ignored, a dead letter, or waits.
//!
//! Three independent counts: what the door took in, what the queue holds, what the ledger says. A
//! lost or doubled webhook shows as a difference. Called by `status` and `demo`. This file counts the
//! embedded queue, `distributed` a broker.

mod distributed;
mod look;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::queue::spool::{DoorProcess, empty_at_ms};
use crate::queue::sqlite::{Census, SqliteQueue};
use crate::queue::{Depth, Queue, QueueError};
use crate::store::operations::settlement::Settlement;
use crate::store::operations::totals::LedgerTotals;
use crate::store::{Store, StoreError};

pub use distributed::Distributed;

/// How long the queue may stand still while the ledger is counted; publishers wait meanwhile.
const FROZEN_MAX: Duration = Duration::from_millis(1500);

/// All counts, of one moment unless `uncertain` says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Equation {
    /// Webhooks that the door made durable, or that were imported.
    pub accepted: u64,
    /// Those whose changes are in the tables.
    pub applied: u64,
    /// Repetitions of another one.
    pub duplicate: u64,
    /// Those that tell nothing for our tables.
    pub ignored: u64,
    /// Those that are kept as dead letters.
    pub dead_lettered: u64,
    /// Those that are queued, or in retry; without a broker also those in a worker's hand.
    pub waiting: u64,
    /// Those that are known to be lost, as an operator settled.
    pub lost: u64,
    /// Those that damage took out of the queue file or a spool: set aside beside it, or missing. They
    /// may be fewer.
    pub damaged: u64,
    /// How many moved while they were counted, may be in a worker's hand unseen, or were taken by a
    /// door that was killed before it counted them; 0 when the count is exact.
    pub uncertain: u64,
    /// Webhooks that were accepted and are nowhere. Above 0 only if that is known.
    pub missing: u64,
    /// Webhooks that ended or wait and were never accepted: some were doubled, or a count got lost.
    pub excess: u64,
    /// Whether the two sides are equal; none if that can't be known.
    pub balanced: Option<bool>,
    /// Why it can't be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Equation {
    /// Whether it is known that the two sides are equal.
    pub fn is_balanced(&self) -> bool {
        self.balanced == Some(true)
    }
}

/// Where the door's and the queue's counts are.
#[derive(Clone)]
pub enum Sides {
    /// In the file of the embedded queue.
    Embedded(SqliteQueue),
    /// In the doors' spool files and on the broker.
    Distributed(Distributed),
}

impl Sides {
    /// Counts both sides.
    pub async fn count(&self, store: &Store) -> Result<Equation, EquationError> {
        match self {
            Self::Embedded(queue) => Equation::count(queue, store).await,
            Self::Distributed(distributed) => distributed.count(store).await,
        }
    }

    /// The same while everything moves, for who counts again and again.
    pub async fn count_moving(&self, store: &Store) -> Result<Equation, EquationError> {
        match self {
            Self::Embedded(queue) => Equation::count_moving(queue, store).await,
            Self::Distributed(distributed) => distributed.count_moving(store).await,
        }
    }

    /// The same without waiting for beats; the embedded queue stands still.
    pub async fn count_at_once(&self, store: &Store) -> Result<Equation, EquationError> {
        match self {
            Self::Embedded(queue) => Equation::count(queue, store).await,
            Self::Distributed(distributed) => distributed.count_moving(store).await,
        }
    }

    /// What would be settled now; an error text if nothing is known well enough for that.
    pub async fn settlement(
        &self,
        store: &Store,
    ) -> Result<Result<Settlement, String>, EquationError> {
        match self {
            Self::Embedded(queue) => {
                let equation = Equation::count(queue, store).await?;
                let Equation { missing: lost, excess: found, reason, .. } = equation;
                let settled = Settlement { lost, found, ..Settlement::default() };
                Ok(reason.map_or(Ok(settled), Err))
            }
            Self::Distributed(distributed) => distributed.settlement(store).await,
        }
    }

    /// The doors that count in spool files; none without a broker.
    pub async fn doors(&self) -> Result<Vec<DoorProcess>, EquationError> {
        match self {
            Self::Embedded(_) => Ok(Vec::new()),
            Self::Distributed(distributed) => Ok(distributed.books().await?.doors),
        }
    }

    /// What waits, by lane. A broker can't be asked since when, but its doors know when nothing did.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        match self {
            Self::Embedded(queue) => queue.depth().await,
            Self::Distributed(Distributed { broker, spools, .. }) => {
                let mut depth = broker.depth().await?;
                add_ages(&mut depth, spools);
                Ok(depth)
            }
        }
    }

    /// Webhooks in the spools; none without a broker.
    pub async fn spooled(&self) -> Result<Option<u64>, EquationError> {
        match self {
            Self::Embedded(_) => Ok(None),
            Self::Distributed(distributed) => Ok(Some(distributed.books().await?.waiting)),
        }
    }
}

fn add_ages(depth: &mut Depth, spools: &[PathBuf]) {
    let empty: Vec<_> = spools.iter().filter_map(|spool| empty_at_ms(spool).ok()).collect();
    for lane in depth.lanes.iter_mut().filter(|lane| lane.ready > 0) {
        let empty = empty.iter().filter_map(|empty_at_ms| empty_at_ms[lane.lane as usize]).max();
        lane.oldest_received_at_ms = lane.oldest_received_at_ms.or(empty);
    }
}

/// Why the counts could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum EquationError {
    /// The queue can't be read.
    #[error("the queue can't be counted")]
    Queue(#[from] QueueError),
    /// The ledger can't be read.
    #[error("the ledger can't be counted")]
    Store(#[from] StoreError),
}

impl Equation {
    /// Counts. The queue stands still meanwhile; a ledger too large for that is counted while
    /// things move.
    pub async fn count(queue: &SqliteQueue, store: &Store) -> Result<Self, EquationError> {
        let settled = store.settled().await?;
        let (census, frozen) = queue.census_frozen().await?;
        let counting = store.totals(&census.handed_out);
        let counted = tokio::time::timeout(FROZEN_MAX, counting).await;
        drop(frozen);
        match counted {
            Ok(counted) => {
                let (totals, ended) = counted?;
                Ok(Self::of(&census, totals, ended, &settled, 0))
            }
            Err(_) => Self::count_moving(queue, store).await,
        }
    }

    /// Counts while things move: holds up nobody, and says how much moved meanwhile.
    pub async fn count_moving(queue: &SqliteQueue, store: &Store) -> Result<Self, EquationError> {
        let settled = store.settled().await?;
        let before = queue.census().await?;
        let (totals, ended) = store.totals(&before.handed_out).await?;
        let after = queue.census().await?;
        let uncertain = after.accepted.abs_diff(before.accepted)
            + after.waiting.abs_diff(before.waiting)
            + after.gone().abs_diff(before.gone());
        Ok(Self::of(&before, totals, ended, &settled, uncertain))
    }

    /// `ended`: how many of the waiting are already in the ledger.
    fn of(
        census: &Census,
        totals: LedgerTotals,
        ended: u64,
        settled: &Settlement,
        uncertain: u64,
    ) -> Self {
        let waiting = census.waiting.saturating_sub(ended);
        let damaged = census.gone();
        let accepted = census.accepted + totals.imported + settled.found;
        let found = totals.ended() + waiting + settled.lost + damaged;
        // Whether the ledger knows those that can't be read, their keys don't tell any more.
        let uncertain = uncertain + census.unreadable;
        let is_known = uncertain == 0;
        let why =
            || format!("{uncertain} webhooks moved or could not be read while they were counted");
        Self {
            accepted,
            applied: totals.applied,
            duplicate: totals.duplicate,
            ignored: totals.ignored,
            dead_lettered: totals.dead_lettered,
            waiting,
            lost: settled.lost,
            damaged,
            uncertain,
            missing: if is_known { accepted.saturating_sub(found) } else { 0 },
            excess: if is_known { found.saturating_sub(accepted) } else { 0 },
            balanced: is_known.then_some(accepted == found),
            reason: (!is_known).then(why),
        }
    }
}

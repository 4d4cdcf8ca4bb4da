//! The equation: every accepted webhook is applied, a duplicate, ignored, a dead letter, or waits.
//!
//! Three independent counts: what the door took in, what the queue holds, what the ledger says. A
//! lost or doubled webhook shows as a difference. Called by `status` and `demo`. This file counts the
//! embedded queue, `distributed` a broker.

mod distributed;
mod snapshot;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::queue::spool::{DoorProcess, empty_at_ms, time};
use crate::queue::sqlite::{FileCounts, SqliteQueue};
use crate::queue::{Depth, Queue, QueueError};
use crate::store::operations::settlement::Settlement;
use crate::store::operations::totals::LedgerTotals;
use crate::store::{Store, StoreError};

pub use distributed::Distributed;

/// How long the queue may stand still until the database has chosen the same moment; publishers wait
/// meanwhile.
const FROZEN_MAX: Duration = Duration::from_millis(50);

/// The embedded queue, among the doors whose gaps are settled.
const EMBEDDED: &str = "embedded";

/// All counts, of one moment unless `uncertain` says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accounting {
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

impl Accounting {
    /// Whether it is known that the two sides are equal.
    pub fn is_balanced(&self) -> bool {
        self.balanced == Some(true)
    }
}

/// What doors count by themselves.
#[derive(Clone, Copy, Debug)]
pub struct DoorCounts {
    /// Webhooks that they took in.
    pub accepted: u64,
    /// Those that were not acked, which the ledger may have already; none with a broker.
    pub waiting: Option<u64>,
}

/// Where the door's and the queue's counts are.
#[derive(Clone)]
pub enum CountSources {
    /// In the file of the embedded queue.
    Embedded(SqliteQueue),
    /// In the doors' spool files and on the broker.
    Distributed(Distributed),
}

impl CountSources {
    /// Counts both sides.
    pub async fn count(&self, store: &Store) -> Result<Accounting, AccountingError> {
        match self {
            Self::Embedded(queue) => Accounting::count(queue, store).await,
            Self::Distributed(distributed) => distributed.count(store).await,
        }
    }

    /// The same while everything moves, for who counts again and again.
    pub async fn count_moving(&self, store: &Store) -> Result<Accounting, AccountingError> {
        match self {
            Self::Embedded(queue) => Accounting::count_moving(queue, store).await,
            Self::Distributed(distributed) => distributed.count_moving(store).await,
        }
    }

    /// The same without waiting for beats; the embedded queue stands still.
    pub async fn count_at_once(&self, store: &Store) -> Result<Accounting, AccountingError> {
        match self {
            Self::Embedded(queue) => Accounting::count(queue, store).await,
            Self::Distributed(distributed) => distributed.count_moving(store).await,
        }
    }

    /// What would be settled now; an error text if nothing is known well enough for that.
    pub async fn settlement(
        &self,
        store: &Store,
    ) -> Result<Result<Settlement, String>, AccountingError> {
        match self {
            Self::Embedded(queue) => embedded_settlement(queue, store).await,
            Self::Distributed(distributed) => distributed.settlement(store).await,
        }
    }

    /// The doors that count in spool files; none without a broker.
    pub async fn doors(&self) -> Result<Vec<DoorProcess>, AccountingError> {
        match self {
            Self::Embedded(_) => Ok(Vec::new()),
            Self::Distributed(distributed) => Ok(distributed.books().await?.doors),
        }
    }

    /// The doors' side alone, without the ledger and without asking a broker.
    pub async fn door_counts(&self) -> Result<DoorCounts, AccountingError> {
        match self {
            Self::Embedded(queue) => {
                let census = queue.census().await?;
                Ok(DoorCounts { accepted: census.accepted, waiting: Some(census.waiting) })
            }
            Self::Distributed(distributed) => {
                let books = distributed.books().await?;
                Ok(DoorCounts { accepted: books.accepted, waiting: None })
            }
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
    pub async fn spooled(&self) -> Result<Option<u64>, AccountingError> {
        match self {
            Self::Embedded(_) => Ok(None),
            Self::Distributed(distributed) => Ok(Some(distributed.books().await?.waiting)),
        }
    }
}

/// What would be settled of the embedded queue. Also where it is not known what was in a file that was
/// lost: that is what is decided.
async fn embedded_settlement(
    queue: &SqliteQueue,
    store: &Store,
) -> Result<Result<Settlement, String>, AccountingError> {
    let unsure_ms = queue.census().await?.unsure_ms;
    let known = store.settled().await?.until_ms.get(EMBEDDED).copied();
    let until_ms = unsure_ms.map(|(_, until_ms)| until_ms).filter(|ms| known < Some(*ms));
    let equation = Accounting::count(queue, store).await?;
    if equation.uncertain > 0 {
        return Ok(Err(equation.reason.unwrap_or_default()));
    }
    let (lost, found) = equation.difference();
    let until_ms = until_ms.map(|ms| (EMBEDDED.to_owned(), ms)).into_iter().collect();
    Ok(Ok(Settlement { lost, found, until_ms }))
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
pub enum AccountingError {
    /// The queue can't be read.
    #[error("the queue can't be counted")]
    Queue(#[from] QueueError),
    /// The ledger can't be read.
    #[error("the ledger can't be counted")]
    Store(#[from] StoreError),
}

impl Accounting {
    /// Counts. The queue stands still until both it and the ledger are looked at as of one moment; they are
    /// counted as of then while they move on. A database that is too slow for that is counted while things
    /// move.
    pub async fn count(queue: &SqliteQueue, store: &Store) -> Result<Self, AccountingError> {
        let settled = store.settled().await?;
        let ledger = store.ledger_moment().await?;
        let frozen = queue.freeze().await?;
        let fixed = tokio::time::timeout(FROZEN_MAX, ledger.fix()).await;
        let instant = frozen.let_go();
        let Ok(fixed) = fixed else {
            // They are not looked at again, and hold a connection that counting needs.
            drop((ledger, instant));
            return Self::count_moving(queue, store).await;
        };
        fixed?;
        let census = queue.census_of(instant).await?;
        let (totals, ended) = ledger.totals(&census.handed_out).await?;
        Ok(Self::of(&census, totals, ended, &settled, 0))
    }

    /// Counts while things move: holds up nobody, and says how much moved meanwhile.
    pub async fn count_moving(queue: &SqliteQueue, store: &Store) -> Result<Self, AccountingError> {
        let settled = store.settled().await?;
        let before = queue.census().await?;
        let (totals, ended) = store.totals(&before.handed_out).await?;
        let after = queue.census().await?;
        let uncertain = after.accepted.abs_diff(before.accepted)
            + after.waiting.abs_diff(before.waiting)
            + after.gone().abs_diff(before.gone());
        Ok(Self::of(&before, totals, ended, &settled, uncertain))
    }

    /// How many more were accepted than are found, and how many more are found than were accepted.
    fn difference(&self) -> (u64, u64) {
        let Self { applied, duplicate, ignored, dead_lettered, waiting, lost, damaged, .. } = self;
        let found = applied + duplicate + ignored + dead_lettered + waiting + lost + damaged;
        (self.accepted.saturating_sub(found), found.saturating_sub(self.accepted))
    }

    /// `ended`: how many of the waiting are already in the ledger.
    fn of(
        census: &FileCounts,
        totals: LedgerTotals,
        ended: u64,
        settled: &Settlement,
        uncertain: u64,
    ) -> Self {
        let waiting = census.waiting.saturating_sub(ended);
        let damaged = census.gone();
        let accepted = census.accepted + totals.imported + settled.found;
        let found = totals.ended() + waiting + settled.lost + damaged;
        let unsure = census.unsure_ms.filter(|(_, until_ms)| {
            settled.until_ms.get(EMBEDDED).is_none_or(|settled_ms| settled_ms < until_ms)
        });
        // Whether the ledger knows those that can't be read, their keys don't tell any more.
        let uncertain = uncertain + census.unreadable;
        let is_known = uncertain == 0 && unsure.is_none();
        let why = || match unsure {
            Some((from_ms, until_ms)) => format!(
                "the queue file or its log was removed or replaced: what was in it may be lost or uncounted, \
                 between {} and {} (`status settle` decides)",
                time(from_ms),
                time(until_ms)
            ),
            None => {
                format!("{uncertain} webhooks moved or could not be read while they were counted")
            }
        };
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

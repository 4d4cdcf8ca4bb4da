//! One look at everything that counts with a broker: the doors' books, the broker, the ledger, and what
//! the workers say they have in hand. Taken by `distributed`, judged by `verdict`.

use crate::queue::InFlightCounts;
use crate::queue::spool::DoorCounts;
use crate::store::operations::settlement::Settlement;
use crate::store::operations::totals::LedgerTotals;

/// What was seen, of about one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// What the doors count.
    pub(super) books: DoorCounts,
    /// What the ledger says.
    pub(super) totals: LedgerTotals,
    /// What operators have settled.
    pub(super) settled: Settlement,
    /// Webhooks on the broker, replays left out.
    pub(super) on_broker: u64,
    /// Consumers that the broker counts.
    pub(super) consumers: u64,
    /// Replays that may wait, or wait twice.
    pub(super) replays_unsure: u64,
    /// How many moved while this was taken.
    pub(super) moved: u64,
    /// Who works, by its own word.
    pub(super) workers: Vec<WorkerSnapshot>,
}

/// What a worker said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkerSnapshot {
    /// Its random name.
    pub(super) instance: String,
    /// How often it has beaten.
    pub(super) beats: i64,
    /// What it has in hand; none if it could not tell.
    pub(super) in_hand: Option<InFlightCounts>,
}

/// How many beats lie between two looks at least. What the first of them says may have been counted
/// before the first look; the second was counted after it.
pub(super) const BEATS_BETWEEN: i64 = 2;

impl Snapshot {
    /// Webhooks that were taken in, and are to be found somewhere.
    pub(super) fn accepted(&self) -> u64 {
        self.books.accepted + self.totals.imported + self.settled.found
    }

    /// Those that wait, workers' hands left out.
    pub(super) fn waiting(&self) -> u64 {
        self.on_broker + self.books.waiting
    }

    /// Those that ended, or are known to be lost.
    pub(super) fn ended(&self) -> u64 {
        self.totals.ended() + self.settled.lost + self.books.damaged
    }

    /// Taken in and nowhere to be found; negative if more is found than was taken in.
    pub(super) fn unaccounted(&self) -> i64 {
        self.accepted().cast_signed() - (self.ended() + self.waiting()).cast_signed()
    }

    /// Webhooks that kills of doors may have left uncounted, unless that is settled.
    pub(super) fn uncounted(&self) -> u64 {
        self.books.uncertain(&self.settled.until_ms)
    }

    /// Whether books, queues and ledger say the same as before.
    pub(super) fn agrees_with(&self, before: &Self) -> bool {
        let counts = |look: &Self| {
            let DoorCounts { accepted, waiting, handed_out, replays, damaged, .. } = look.books;
            (accepted, waiting, handed_out, replays, damaged, look.on_broker, look.consumers)
        };
        counts(self) == counts(before)
            && self.totals == before.totals
            && self.settled == before.settled
            && self.moved + before.moved == 0
    }

    /// The workers that have lived since `before`.
    pub(super) fn live(&self, before: &Self) -> Vec<&WorkerSnapshot> {
        let beats = |instance: &str| {
            let then = before.workers.iter().find(|worker| worker.instance == instance);
            then.map(|worker| worker.beats)
        };
        let lives = |worker: &&WorkerSnapshot| {
            beats(&worker.instance).is_some_and(|then| worker.beats >= then + BEATS_BETWEEN)
        };
        self.workers.iter().filter(lives).collect()
    }
}

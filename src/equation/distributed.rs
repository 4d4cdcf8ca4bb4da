//! The equation with a broker: the doors' books, the broker's counts, the ledger.
//!
//! What must stay true: nothing is hidden. A broker can't be stopped while the ledger is counted,
//! nor asked what is in workers' hands, and a killed door can't say what it last took; all of that
//! is in `uncertain`.

use std::path::PathBuf;

use super::{Equation, EquationError};
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::spool::Books;
use crate::queue::sqlite::Options;
use crate::store::Store;
use crate::store::totals::Totals;

/// What is counted where there is a broker.
#[derive(Clone)]
pub struct Distributed {
    /// The broker.
    pub broker: RabbitmqQueue,
    /// The spool file of every door.
    pub spools: Vec<PathBuf>,
    /// How those files are opened.
    pub options: Options,
    /// How many webhooks one consumer may have in hand.
    pub prefetch: u64,
}

/// Queue and doors at one moment, about.
struct Count {
    accepted: u64,
    /// Without what is in workers' hands.
    waiting: u64,
    /// What the doors and the spools' drains can't be sure of.
    unsure: u64,
    in_hand_max: u64,
}

impl Distributed {
    /// Counts while things move.
    pub async fn count(&self, store: &Store) -> Result<Equation, EquationError> {
        let before = self.count_once(store).await?;
        let (totals, _) = store.totals(&[]).await?;
        let after = self.count_once(store).await?;
        let moved =
            after.accepted.abs_diff(before.accepted) + after.waiting.abs_diff(before.waiting);
        Ok(equation(&after, totals, moved))
    }

    /// The books of all doors.
    pub async fn books(&self) -> Result<Books, EquationError> {
        let mut books = Books::default();
        for path in &self.spools {
            books.add(&Books::read(path, self.options.clone()).await?);
        }
        Ok(books)
    }

    async fn count_once(&self, store: &Store) -> Result<Count, EquationError> {
        let books = self.books().await?;
        let survey = self.broker.survey().await?;
        let waiting = survey.depth.total() + survey.given_up + books.waiting + books.replays;
        let replays = store.replays().await?;
        Ok(Count {
            accepted: books.accepted,
            // Replays wait too, but were accepted, and are counted in the ledger, long ago.
            waiting: waiting.saturating_sub(replays.published),
            unsure: books.uncertain + books.handed_out + replays.unsure.min(waiting),
            in_hand_max: survey.consumers * self.prefetch,
        })
    }
}

fn equation(count: &Count, totals: Totals, moved: u64) -> Equation {
    let accepted = count.accepted + totals.imported;
    let missing = accepted.saturating_sub(totals.ended() + count.waiting);
    let in_hand = missing.min(count.in_hand_max);
    let waiting = count.waiting;
    let uncertain = count.unsure + moved + in_hand;
    Equation {
        accepted,
        applied: totals.applied,
        duplicate: totals.duplicate,
        ignored: totals.ignored,
        dead_lettered: totals.dead_lettered,
        waiting,
        uncertain,
        balanced: accepted.abs_diff(totals.ended() + waiting) <= uncertain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTALS: Totals =
        Totals { applied: 6, duplicate: 1, ignored: 1, dead_lettered: 1, imported: 0 };

    fn count(accepted: u64, in_hand_max: u64) -> Count {
        Count { accepted, waiting: 1, unsure: 0, in_hand_max }
    }

    #[test]
    fn a_lost_webhook_shows_once_nobody_may_have_it() {
        assert!(equation(&count(10, 0), TOTALS, 0).balanced);
        assert!(!equation(&count(11, 0), TOTALS, 0).balanced);
        let held = equation(&count(11, 100), TOTALS, 0);
        assert_eq!((held.balanced, held.waiting, held.uncertain), (true, 1, 1));
    }

    #[test]
    fn a_doubled_webhook_shows() {
        assert!(!equation(&count(9, 100), TOTALS, 0).balanced);
        assert!(equation(&count(9, 100), TOTALS, 1).balanced, "unless it just moved");
    }
}

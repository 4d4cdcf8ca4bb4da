//! A pass through a table in the order of its rows, from where the last one got to; perhaps for the rows of some
//! sources only (`sources`).
//!
//! Invariant: below the cursor is nothing of these sources that will get old, but for what came about out of order (a
//! replay of an old dead letter, an import, a door whose clock was wrong) or could not go. That is found by passes
//! from the beginning, once a week.

use chrono::{DateTime, Utc};

use super::cursor::{UNCOMMITTED_MAX, is_walk_due};
use super::sources::{OfSources, Sessions};
use crate::store::Store;
use crate::store::operations::processes::AHEAD_MAX;
use crate::store::sql::error::StoreError;

/// Rows in a row that stay: behind them the rest is taken for younger. Lanes are worked off side by side,
/// so old and young ones are mixed after an outage.
pub(super) const QUIET_ROWS: u64 = 10_000;

/// A pass through a table.
#[derive(Clone, Debug)]
pub struct AgedPass {
    /// The name of its cursor.
    pub(super) name: String,
    /// Of which sources rows go.
    pub(super) sources: OfSources,
    /// The sessions of those.
    sessions: Sessions,
    /// Up to here it has looked.
    pub(super) after: i64,
    /// As stored.
    pub(super) cursor: i64,
    /// The first row that stays because it is young.
    stays: Option<i64>,
    /// How many in a row stay.
    pub(super) quiet: u64,
    /// Since when it goes on, if from the beginning.
    pub(super) walks_since: Option<DateTime<Utc>>,
    /// How many it has let go of.
    pub forgotten: u64,
}

/// A row with its age.
pub(super) struct AgedRow {
    pub(super) id: i64,
    pub(super) received_at: DateTime<Utc>,
    /// Whether it is of a source whose rows go.
    pub(super) is_ours: bool,
}

impl From<(i64, DateTime<Utc>)> for AgedRow {
    fn from((id, received_at): (i64, DateTime<Utc>)) -> Self {
        Self { id, received_at, is_ours: true }
    }
}

impl Store {
    /// Begins a pass for these sources where the last one of this kind got to, or at the beginning.
    pub(super) async fn begin_pass(
        &self,
        kind: &str,
        sources: OfSources,
    ) -> Result<AgedPass, StoreError> {
        let (now, name) = (self.clock.now(), sources.cursor(kind));
        let row = self.cursor(&name).await?;
        let walked_at = row.as_ref().and_then(|row| row.walked_at);
        let walks_since = walked_at.is_none_or(|at| is_walk_due(at, now)).then_some(now);
        let cursor = row.filter(|_| walks_since.is_none()).map_or(0, |row| row.cursor_id);
        let sessions = self.sessions_of(&sources).await?;
        Ok(AgedPass { sources, sessions, ..AgedPass::begun(name, cursor, walks_since) })
    }

    /// Keeps how far a pass got; `end`: the newest row, if it is over.
    pub(super) async fn keep_pass(
        &self,
        pass: &mut AgedPass,
        end: Option<i64>,
    ) -> Result<(), StoreError> {
        let (cursor, walked_at) = (pass.reached(end), pass.walks_since.filter(|_| end.is_some()));
        if cursor == pass.cursor && walked_at.is_none() {
            return Ok(());
        }
        let _turn = self.turn().await;
        let db = self.begin().await?;
        self.write_cursor(&db, &pass.name, cursor, walked_at).await?;
        db.commit().await?;
        pass.cursor = cursor;
        Ok(())
    }
}

impl AgedPass {
    fn begun(name: String, cursor: i64, walks_since: Option<DateTime<Utc>>) -> Self {
        Self {
            name,
            sources: OfSources::All,
            sessions: None,
            after: cursor,
            cursor,
            stays: None,
            quiet: 0,
            walks_since,
            forgotten: 0,
        }
    }

    /// Whether rows of a session go.
    pub(super) fn has_session(&self, session: i64) -> bool {
        self.sessions.as_ref().is_none_or(|sessions| sessions.contains(&session))
    }

    /// Which of the next rows are old, and of a source whose rows go. Old ones of others are passed, and so far
    /// the pass is among old ones; a young one of anybody stops the cursor, because the next of its source are
    /// near it. One that claims to be of the time to come, by a clock that was wrong, holds up nothing.
    pub(super) fn look_at(
        &mut self,
        rows: &[AgedRow],
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<i64> {
        let (old, young): (Vec<&AgedRow>, Vec<&AgedRow>) =
            rows.iter().partition(|row| row.received_at < before);
        let stays = young.iter().find(|row| row.received_at <= now + AHEAD_MAX);
        self.stays = self.stays.or(stays.map(|row| row.id));
        self.quiet = if old.is_empty() { self.quiet + rows.len() as u64 } else { 0 };
        self.after = rows.last().map_or(self.after, |row| row.id);
        old.iter().filter(|row| row.is_ours).map(|row| row.id).collect()
    }

    /// Up to where nothing is left to let go of; `end`: the newest row, if this was the last look.
    pub(super) fn reached(&self, end: Option<i64>) -> i64 {
        let looked_at = end.map_or(self.after, |end| self.after.max(end - UNCOMMITTED_MAX));
        self.stays.map_or(looked_at, |stays| stays - 1)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    /// Now is hour 100, what is before hour 50 is old.
    fn look(pass: &mut AgedPass, received: &[(i64, i64)]) -> Vec<i64> {
        let row = |(id, hours): &(i64, i64)| AgedRow::from((*id, at(*hours)));
        let rows: Vec<AgedRow> = received.iter().map(row).collect();
        pass.look_at(&rows, at(50), at(100))
    }

    fn begun() -> AgedPass {
        AgedPass::begun("test".to_owned(), 0, None)
    }

    #[test]
    fn the_cursor_stays_before_the_first_body_that_stays() {
        let mut pass = begun();
        assert_eq!(look(&mut pass, &[(1, 10), (4, 49)]), [1, 4]);
        assert_eq!(pass.reached(None), 4);
        assert_eq!(look(&mut pass, &[(6, 50), (7, 20)]), [7]);
        assert_eq!((pass.reached(None), pass.after, pass.quiet), (5, 7, 0));
        assert_eq!(look(&mut pass, &[(9, 60), (10, 70)]), [0_i64; 0]);
        assert_eq!((pass.reached(Some(1_000_000)), pass.quiet), (5, 2));
    }

    #[test]
    fn what_is_old_and_of_others_is_passed_and_stays() {
        let mut pass = begun();
        let row = |id, hours, is_ours| AgedRow { is_ours, ..AgedRow::from((id, at(hours))) };
        let rows = [row(1, 10, false), row(2, 20, true), row(3, 30, false)];
        assert_eq!(pass.look_at(&rows, at(50), at(100)), [2]);
        assert_eq!(pass.look_at(&[row(4, 40, false)], at(50), at(100)), [0_i64; 0]);
        assert_eq!((pass.reached(None), pass.quiet), (4, 0));
        pass.look_at(&[row(5, 60, false), row(6, 40, true)], at(50), at(100));
        assert_eq!(pass.reached(None), 4);
    }

    #[test]
    fn a_time_to_come_holds_up_nothing() {
        let mut pass = begun();
        assert_eq!(look(&mut pass, &[(1, 10), (2, 5_000), (3, 20)]), [1, 3]);
        assert_eq!(pass.reached(None), 3);
    }

    #[test]
    fn at_the_end_what_may_not_be_committed_yet_is_not_passed() {
        let mut pass = begun();
        look(&mut pass, &[(1, 10)]);
        assert_eq!(pass.reached(Some(50)), 1);
        assert_eq!(pass.reached(Some(UNCOMMITTED_MAX + 500)), 500);
    }
}

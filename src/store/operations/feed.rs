//! Reads the feed: what changed after a position.
//!
//! Called by every way out of the feed. Whoever reads on from the last position that he got misses nothing;
//! a row of the tables that is read after it is at least as new as its position says.

mod rows;
mod sizes;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::json;

use entity::waha_changes::{self, Column};
use entity::waha_feed;

use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::feed::{ChangeKind, renew_epoch};
use crate::store::sql::error::StoreError;

pub(super) use rows::row_json;
pub use rows::{ChangeWithRow, PageWithRows};

/// Most changes that are read at once.
pub const PAGE_MAX: u64 = 1_000;
/// What the rows of a page hold together at most, but for a page of one: who reads slowly is one of many, and each
/// has a page in memory.
pub const ROWS_BYTES_MAX: u64 = 1024 * 1024;

/// Where the feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// Which feed it is: another one after a restore from a backup.
    pub epoch: String,
    /// The newest position; 0 before the first.
    pub position: i64,
    /// The oldest position that is still there.
    pub oldest_position: i64,
}

/// Which changes; what is empty does not restrict.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Only of these kinds.
    pub kinds: Vec<ChangeKind>,
    /// Only of these rows of `waha_sessions`.
    pub sessions: Option<Vec<i64>>,
}

/// Why a follower can't read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It was away for longer than the feed reaches back.
    #[error(
        "position {after} is older than what the feed still has, from {oldest} on: read the position, read \
         the tables, then follow from that position"
    )]
    TooOld {
        /// The position that it had.
        after: i64,
        /// The oldest that is there.
        oldest: i64,
    },
    /// The database was restored from a backup, so positions mean something else.
    #[error(
        "this feed is of epoch {epoch}, as the database was restored or has lost its newest history: read the position, read the tables, \
         then follow from that position"
    )]
    OtherEpoch {
        /// The present one.
        epoch: String,
    },
    /// It says that it has read what has not happened.
    #[error("position {after} is ahead of the feed, which is at {newest}: it is another feed's")]
    Ahead {
        /// The position that it had.
        after: i64,
        /// The newest that is there.
        newest: i64,
    },
}

/// Up to where a follower has read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    /// The last position that it has.
    pub after: i64,
    /// Of the feed that it knows; none if it did not say.
    pub epoch: Option<&'a str>,
}

/// A part of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    /// What changed, in the order of positions.
    pub changes: Vec<waha_changes::Model>,
    /// From where to read on: the position up to which all that passes the filter is told.
    pub position: i64,
}

impl FeedState {
    /// Whether a follower can read on.
    pub fn check(&self, cursor: Cursor<'_>) -> Result<(), Gone> {
        let Cursor { after, epoch } = cursor;
        if epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Err(Gone::OtherEpoch { epoch: self.epoch.clone() });
        }
        if after.saturating_add(1) < self.oldest_position {
            return Err(Gone::TooOld { after, oldest: self.oldest_position });
        }
        if after > self.position {
            return Err(Gone::Ahead { after, newest: self.position });
        }
        Ok(())
    }
}

impl ChangeFilter {
    fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if !self.kinds.is_empty() {
            all = all.add(Column::Kind.is_in(self.kinds.iter().map(|kind| kind.name())));
        }
        if let Some(sessions) = &self.sessions {
            all = all.add(Column::SessionId.is_in(sessions.iter().copied()));
        }
        all
    }
}

impl Store {
    /// Where the feed stands now.
    pub async fn feed_state(&self) -> Result<FeedState, StoreError> {
        feed_state(&self.pool().db).await
    }

    /// Gives the feed another epoch, after a restore from a backup: whoever read further than that is told so.
    /// Consumers and the search go on where they are. Returns how it stands then.
    pub async fn renew_feed(&self, actor: &Actor) -> Result<FeedState, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        // Takes the lock that whoever writes to the feed waits for.
        let kept = Expr::col(waha_feed::Column::Position);
        waha_feed::Entity::update_many()
            .col_expr(waha_feed::Column::Position, kept)
            .exec(&db)
            .await?;
        let before = feed_state(&db).await?;
        let after =
            FeedState { epoch: renew_epoch(&db, &before.epoch, now).await?, ..before.clone() };
        let values =
            |state: &FeedState| Some(json!({ "epoch": state.epoch, "position": state.position }));
        let (old_values, new_values) = (values(&before), values(&after));
        let entry =
            AuditEntry { old_values, new_values, ..AuditEntry::new(AuditAction::Renew, actor) };
        audit::insert(&db, &entry, now).await?;
        db.commit().await?;
        Ok(after)
    }

    /// What changed after a cursor, at most `limit` changes; or why it can't be read on from there. The state,
    /// read before, says how far the feed goes: further ones are not told, so that a page is of what was whole
    /// when it began.
    pub async fn changes_after(
        &self,
        state: &FeedState,
        cursor: Cursor<'_>,
        filter: &ChangeFilter,
        limit: u64,
    ) -> Result<Result<ChangePage, Gone>, StoreError> {
        if let Err(gone) = state.check(cursor) {
            return Ok(Err(gone));
        }
        let page = self.read_page(state, cursor.after, filter, limit).await?;
        // What was cut off meanwhile would be missing without a word.
        Ok(self.feed_state().await?.check(cursor).map(|()| page))
    }

    async fn read_page(
        &self,
        state: &FeedState,
        after: i64,
        filter: &ChangeFilter,
        limit: u64,
    ) -> Result<ChangePage, StoreError> {
        if after >= state.position {
            return Ok(ChangePage { changes: Vec::new(), position: after });
        }
        let limit = limit.min(PAGE_MAX);
        let select = waha_changes::Entity::find()
            .filter(Column::Position.gt(after))
            .filter(Column::Position.lte(state.position))
            .filter(filter.condition())
            .order_by_asc(Column::Position);
        let changes = select.limit(limit).all(&self.pool().db).await?;
        let is_full = changes.len() as u64 == limit;
        let last = changes.last().map(|change| change.position).filter(|_| is_full);
        Ok(ChangePage { position: last.unwrap_or(state.position), changes })
    }
}

async fn feed_state(db: &impl ConnectionTrait) -> Result<FeedState, StoreError> {
    let row = waha_feed::Entity::find().one(db).await?;
    let waha_feed::Model { id: _, epoch, position, oldest_position } =
        row.ok_or(StoreError::Vanished("waha_feed"))?;
    Ok(FeedState { epoch, position, oldest_position })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_reads_on_or_is_told_why_not() {
        let state = FeedState { epoch: "e".to_owned(), position: 20, oldest_position: 11 };
        let check = |after, epoch| state.check(Cursor { after, epoch });
        for after in [10, 15, 20] {
            assert_eq!(check(after, Some("e")), Ok(()));
        }
        assert_eq!(check(9, None), Err(Gone::TooOld { after: 9, oldest: 11 }));
        assert_eq!(check(21, None), Err(Gone::Ahead { after: 21, newest: 20 }));
        assert!(matches!(check(15, Some("f")), Err(Gone::OtherEpoch { .. })));
    }
}

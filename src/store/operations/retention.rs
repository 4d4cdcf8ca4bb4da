//! Lets go of bodies (`bodies`), of the ledger's rows (`ledger`) or whole months (`parts`) whose counts stay (`sums`), of messages, calls and states of sessions
//! (`messages`), of the old end of the feed, and of what is settled (`settled`), perhaps of some sources (`sources`); says how much that would be
//! (`removable`); moves bodies out of the ledger (`moving`).
//!
//! Called by `retention` and `packing`. Dead letters keep bodies of their own.

mod bodies;
mod cursor;
mod lag;
mod ledger;
mod messages;
pub mod month;
mod moving;
pub(super) mod parts;
mod pass;
mod removable;
mod settled;
mod sources;
pub(super) mod sums;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::{waha_changes, waha_feed};

use super::processes::AHEAD_MAX;
use crate::store::Store;
use crate::store::sql::error::StoreError;

pub use ledger::OldWebhooks;
pub use messages::{AgedTable, MESSAGE_TABLES};
pub use parts::{ArchivedPart, DuePart, KEPT_MAX, PartLimit};
pub use pass::AgedPass;
pub use removable::RemovableRows;
pub use sources::OfSources;

/// What some tables hold of persons, by kind.
pub fn personal_kinds(tables: &[&str]) -> Vec<&'static str> {
    let kinds = entity::personal::kinds(tables.iter().copied());
    kinds.into_iter().map(entity::personal::PersonalData::name).collect()
}

impl Store {
    /// Deletes up to `rows_max` changes from the old end of the feed, up to the first one that is not from
    /// before `before`. The newest change stays. Returns how many.
    pub async fn cut_feed(&self, before: DateTime<Utc>, rows_max: u64) -> Result<u64, StoreError> {
        let Some(last) = self.last_to_cut(before, rows_max).await? else { return Ok(0) };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let old = waha_changes::Column::Position.lte(last);
        let cut = waha_changes::Entity::delete_many().filter(old).exec(&db).await?;
        // Last, because whoever writes to the feed waits for this row.
        waha_feed::Entity::update_many()
            .col_expr(waha_feed::Column::OldestPosition, Expr::val(last + 1))
            .filter(waha_feed::Column::OldestPosition.lte(last))
            .exec(&db)
            .await?;
        db.commit().await?;
        Ok(cut.rows_affected)
    }

    /// The last of the oldest changes that are all old. One that claims to be of the time to come, by a clock
    /// that was wrong, keeps nothing.
    async fn last_to_cut(
        &self,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<Option<i64>, StoreError> {
        use waha_changes::{Column, Entity};
        let newest = self.feed_state().await?.position;
        let oldest: Vec<(i64, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Position, Column::ChangedAt])
            .filter(Column::Position.lt(newest))
            .order_by_asc(Column::Position)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let ahead = self.clock.now() + AHEAD_MAX;
        let is_old = |at: DateTime<Utc>| at < before || at > ahead;
        let old = oldest.into_iter().take_while(|(_, at)| is_old(*at));
        Ok(old.last().map(|(position, _)| position))
    }
}

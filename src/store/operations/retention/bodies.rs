//! Lets go of bodies that are old, from where the last pass got to: in the ledger they are emptied, packed ones
//! are deleted.
//!
//! A walk through the whole ledger, once a week, finds what came about out of order; every other pass reads what
//! it empties, and [`QUIET_ROWS`] beyond.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use entity::webhook_bodies;
use entity::webhook_events::{Column, Entity};

use super::pass::{AgedPass, AgedRow, QUIET_ROWS};
use super::sources::OfSources;
use crate::store::Store;
use crate::store::bodies::{is_packed, packed};
use crate::store::sql::error::StoreError;

/// The name of this cursor.
const NAME: &str = "bodies";

impl Store {
    /// Begins a pass for these sources where the last one got to, or at the beginning.
    pub async fn begin_body_pass(&self, sources: OfSources) -> Result<AgedPass, StoreError> {
        self.begin_pass(NAME, sources).await
    }

    /// Looks at the next `rows_max` bodies, and empties those of webhooks of the pass's sources that were received
    /// before `before`.
    /// Returns whether the pass goes on.
    pub async fn forget_bodies(
        &self,
        pass: &mut AgedPass,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<bool, StoreError> {
        let end = self.history_end().await?;
        let rows = self.bodies_after(pass, rows_max).await?;
        let is_end = (rows.len() as u64) < rows_max;
        let old = pass.look_at(&rows, before, self.clock.now());
        let goes_on = !is_end && (pass.walks_since.is_some() || pass.quiet < QUIET_ROWS);
        let cursor = pass.reached(is_end.then_some(end));
        pass.forgotten += old.len() as u64;
        if !old.is_empty() || cursor != pass.cursor || (is_end && pass.walks_since.is_some()) {
            let walked_at = pass.walks_since.filter(|_| is_end);
            self.write_body_pass(&pass.name, old, cursor, walked_at).await?;
            pass.cursor = cursor;
        }
        Ok(goes_on)
    }

    async fn bodies_after(
        &self,
        pass: &AgedPass,
        rows_max: u64,
    ) -> Result<Vec<AgedRow>, StoreError> {
        let has_body = Condition::any().add(Column::Body.is_not_null()).add(is_packed());
        let rows: Vec<(i64, DateTime<Utc>, String)> = Entity::find()
            .join(JoinType::LeftJoin, packed())
            .select_only()
            .columns([Column::Id, Column::ReceivedAt, Column::Source])
            .filter(Column::Id.gt(pass.after))
            .filter(has_body)
            .order_by_asc(Column::Id)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let aged = |(id, received_at, source): (i64, DateTime<Utc>, String)| {
            let is_ours = pass.sources.has(&source);
            AgedRow { id, received_at, is_ours }
        };
        Ok(rows.into_iter().map(aged).collect())
    }

    async fn write_body_pass(
        &self,
        name: &str,
        old: Vec<i64>,
        cursor: i64,
        walked_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        if !old.is_empty() {
            // The ledger first, as whoever moves a body does: who waits for the other finds it moved.
            Entity::update_many()
                .col_expr(Column::Body, Expr::val(Option::<Vec<u8>>::None))
                .filter(Column::Id.is_in(old.iter().copied()))
                .filter(Column::Body.is_not_null())
                .exec(&db)
                .await?;
            webhook_bodies::Entity::delete_many()
                .filter(webhook_bodies::Column::WebhookEventId.is_in(old))
                .exec(&db)
                .await?;
        }
        self.write_cursor(&db, name, cursor, walked_at).await?;
        db.commit().await
    }
}

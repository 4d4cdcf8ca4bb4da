//! Reads dead letters: lists without bodies, page by page; whole ones a few at a time.

use std::collections::HashMap;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use entity::dead_letters::{Column, Entity};
use entity::{dead_letter_edits as edits, dead_letter_replays as replays};

use super::{DeadLetter, DeadLetterEdit, DeadLetterFilter, DeadLetterReplay, DeadLetterSummary};
use crate::store::Store;
use crate::store::apply::burial::body_parts;
use crate::store::operations::page::RowPage;
use crate::store::sql::error::StoreError;

impl Store {
    /// Dead letters without their bodies, oldest first.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: RowPage,
    ) -> Result<Vec<DeadLetterSummary>, StoreError> {
        let backend = self.dialect.backend();
        let rows = select(filter, page, backend)
            .select_only()
            .columns([Column::Id, Column::Source, Column::Session, Column::EventType])
            .columns([Column::WebhookId, Column::Reason, Column::Error, Column::Fingerprint])
            .columns([Column::Attempts, Column::State, Column::Replays, Column::ReceivedAt])
            .columns([Column::FirstFailedAt, Column::LastFailedAt, Column::ResolvedAt])
            .columns([Column::ResolvedBy, Column::Note])
            .column_as(body_bytes(backend), "body_bytes");
        Ok(rows.into_model::<DeadLetterSummary>().all(&self.pool().db).await?)
    }

    /// These dead letters with their bodies, oldest first. The caller bounds their number.
    pub async fn whole_letters(&self, ids: &[i64]) -> Result<Vec<DeadLetter>, StoreError> {
        let pool = self.pool();
        let rows = Entity::find()
            .filter(Column::Id.is_in(ids.iter().copied()))
            .order_by_asc(Column::Id)
            .all(&pool.db);
        let mut rows = rows.await?;
        body_parts::join(&pool.db, rows.iter_mut().map(|row| (row.id, &mut row.body))).await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    /// The replays of these dead letters, oldest first.
    pub async fn replays_of(
        &self,
        ids: &[i64],
    ) -> Result<HashMap<i64, Vec<DeadLetterReplay>>, StoreError> {
        let pool = self.pool();
        let rows = replays::Entity::find()
            .filter(replays::Column::DeadLetterId.is_in(ids.iter().copied()))
            .order_by_asc(replays::Column::Id)
            .all(&pool.db);
        let mut by_letter: HashMap<i64, Vec<DeadLetterReplay>> = HashMap::new();
        for replay in rows.await? {
            by_letter.entry(replay.dead_letter_id).or_default().push(replay);
        }
        Ok(by_letter)
    }

    /// The edits of a dead letter, oldest first.
    pub async fn edits_of(&self, id: i64) -> Result<Vec<DeadLetterEdit>, StoreError> {
        let rows = edits::Entity::find()
            .select_only()
            .columns([edits::Column::Id, edits::Column::EditedBy, edits::Column::EditedAt])
            .filter(edits::Column::DeadLetterId.eq(id))
            .order_by_asc(edits::Column::Id);
        Ok(rows.into_model::<DeadLetterEdit>().all(&self.pool().db).await?)
    }

    /// The body that an edit replaced.
    pub async fn body_before(&self, edit_id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let row = edits::Entity::find_by_id(edit_id).one(&self.pool().db).await?;
        let Some(mut body) = row.map(|row| row.body) else { return Ok(None) };
        body_parts::join_edited(&self.pool().db, edit_id, &mut body).await?;
        Ok(Some(body))
    }
}

/// The rows of a page, in the order of their ids.
pub(in crate::store) fn select(
    filter: &DeadLetterFilter,
    page: RowPage,
    backend: DbBackend,
) -> Select<Entity> {
    Entity::find()
        .filter(Column::Id.gt(page.after_id))
        .filter(Column::Id.lte(page.last_id))
        .filter(filter.condition(backend))
        .order_by_asc(Column::Id)
        .limit(page.limit)
}

/// The length of a body with its parts. Lengths have different types on each database.
pub(in crate::store) fn body_bytes(backend: DbBackend) -> Expr {
    let integer = big_integer(backend);
    let first = Func::cust("LENGTH").arg(Expr::col((Entity, Column::Body)));
    let first = Expr::expr(first).cast_as(Alias::new(integer));
    first.add(body_parts::length(Expr::col((Entity, Column::Id)), integer))
}

/// What a number is cast to, so that all databases answer with 64 bits.
pub(in crate::store) fn big_integer(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    }
}

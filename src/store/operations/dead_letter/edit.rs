//! Replaces the body of a dead letter; the one before is kept.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::json;
use sha2::{Digest, Sha256};

use entity::dead_letter_edits as edits;
use entity::dead_letters::{Column, Entity};

use crate::store::Store;
use crate::store::apply::burial::TABLE;
use crate::store::apply::burial::body_parts::{self, CutBody};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::sql::error::StoreError;

impl Store {
    /// Replaces the body. False when the dead letter is not pending.
    pub async fn edit_letter(
        &self,
        id: i64,
        body: &[u8],
        actor: &Actor,
        note: Option<&str>,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        // Written before it is read: SQLite can't turn a reader into a writer.
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("updated_at"), now)
            .and_where(Expr::col(Alias::new("id")).eq(id))
            .and_where(Expr::col(Alias::new("state")).eq(DeadLetterState::Pending.name()));
        if db.execute(&update).await?.rows_affected() == 0 {
            db.rollback().await?;
            return Ok(false);
        }
        let old: Option<Vec<u8>> = Entity::find()
            .select_only()
            .column(Column::Body)
            .filter(Column::Id.eq(id))
            .into_tuple()
            .one(&db)
            .await?;
        let first = old.ok_or(StoreError::Vanished(TABLE))?;
        let mut old = first.clone();
        body_parts::join(&db, [(id, &mut old)].into_iter()).await?;
        let entry = AuditEntry {
            filter: Some(json!({ "ids": [id] }).to_string()),
            affected: 1,
            old_values: Some(described(&old)),
            new_values: Some(described(body)),
            note,
            ..AuditEntry::new(AuditAction::Edit, actor)
        };
        audit::insert(&db, &entry, now).await?;
        let edit = edits::ActiveModel {
            dead_letter_id: Set(id),
            body: Set(first),
            edited_by: Set(audit::fitting(&actor.name)),
            edited_at: Set(now),
            updated_at: Set(now),
            ..edits::ActiveModel::default()
        };
        let edit = edits::Entity::insert(edit).exec(&db).await?;
        body_parts::hand_over(&db, id, edit.last_insert_id).await?;
        let body = CutBody::of(body, &self.limit);
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("body"), body.first.to_vec())
            .and_where(Expr::col(Alias::new("id")).eq(id));
        db.execute(&update).await?;
        body.write(&db, id, now).await?;
        db.commit().await?;
        Ok(true)
    }
}

/// A body as the audit log names it: without its content.
fn described(body: &[u8]) -> serde_json::Value {
    json!({ "body_bytes": body.len(), "body_sha256": hex::encode(Sha256::digest(body)) })
}

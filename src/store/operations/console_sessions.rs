//! Who is logged in to the console, in whichever process.
//!
//! Called by `admin`. Invariant: what is stored opens nothing: neither the cookie nor a token's secret can be
//! told from it.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use entity::console_sessions::{ActiveModel, Column, Entity};

use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::sql::error::StoreError;

/// A session of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSession {
    /// Hash of what the cookie holds.
    pub id_hash: String,
    /// Name of the token that was used.
    pub token_name: String,
    /// Agrees with the cookie and the token's secret.
    pub binding: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Begins a session, with an entry of the audit log; those that have ended are removed.
    pub async fn begin_console_session(
        &self,
        session: &ConsoleSession,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = ActiveModel {
            id_hash: Set(session.id_hash.clone()),
            token_name: Set(audit::fitting(&session.token_name)),
            binding: Set(session.binding.clone()),
            expires_at: Set(session.expires_at),
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        audit::insert(&db, &AuditEntry::new(AuditAction::LogIn, actor), now).await?;
        Entity::delete_many().filter(Column::ExpiresAt.lt(now)).exec(&db).await?;
        Entity::insert(row).exec(&db).await?;
        db.commit().await
    }

    /// The session of a cookie, unless it has ended.
    pub async fn console_session(
        &self,
        id_hash: &str,
    ) -> Result<Option<ConsoleSession>, StoreError> {
        let row = Entity::find().filter(Column::IdHash.eq(id_hash)).one(&self.pool().db).await?;
        let row = row.filter(|row| row.expires_at > self.clock.now());
        Ok(row.map(|row| ConsoleSession {
            id_hash: row.id_hash,
            token_name: row.token_name,
            binding: row.binding,
            expires_at: row.expires_at,
        }))
    }

    /// Ends a session.
    pub async fn end_console_session(
        &self,
        id_hash: &str,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let entry = AuditEntry::new(AuditAction::LogOut, actor);
        audit::insert(&db, &entry, self.clock.now()).await?;
        Entity::delete_many().filter(Column::IdHash.eq(id_hash)).exec(&db).await?;
        db.commit().await
    }
}

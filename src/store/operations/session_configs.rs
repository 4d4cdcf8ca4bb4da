//! How sessions are configured in WAHA, as it was asked: the one place that writes `waha_sessions.config`.
//!
//! Called by `directory`. Invariant: only a [`SafeConfig`] is written, which holds no key and no password.

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use entity::waha_sessions::{ActiveModel, Column, Entity, Model};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::tables::session;
use crate::waha::session_config::SafeConfig;

impl Store {
    /// Keeps how the sessions of a source are configured. Those that nothing came from yet have no row, and are
    /// left out; what did not change is not written. Returns how many changed.
    pub async fn note_session_configs(
        &self,
        source: &str,
        configs: &[(String, SafeConfig)],
    ) -> Result<u64, StoreError> {
        let of_source = Entity::find().filter(Column::Source.eq(source));
        let rows = of_source.all(&self.pool().db).await?;
        let mut changed = 0;
        for (name, config) in configs {
            let row = rows.iter().find(|row| row.name == *name);
            let Some(row) = row.filter(|row| row.config.as_deref() != Some(config.json())) else {
                continue;
            };
            self.write_session_config(row, config).await?;
            changed += 1;
        }
        Ok(changed)
    }

    async fn write_session_config(
        &self,
        row: &Model,
        config: &SafeConfig,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let change = ActiveModel {
            config: Set(Some(config.json().to_owned())),
            updated_at: Set(context.now),
            ..ActiveModel::default()
        };
        Entity::update_many().set(change).filter(Column::Id.eq(row.id)).exec(&db).await?;
        let this = Cond::all().add(Expr::col(Alias::new("id")).eq(row.id));
        context.log_written(&session::FOLLOWED, this).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await
    }
}

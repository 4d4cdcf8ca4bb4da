//! `webhook_dictionaries`: what bodies are packed with, for readers that don't have it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use sea_orm::{ColumnTrait, EntityTrait, NotSet, QueryFilter, QuerySelect, Set};

use entity::webhook_dictionaries::{ActiveModel, Column, Entity};

use crate::body_codec::{Dictionary, SHIPPED};
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

impl Store {
    /// Sees to it that the tables have the dictionary that bodies are packed with, before the first is written
    /// to this server. Whoever calls it has the turn to write.
    pub(in crate::store) async fn ensure_dictionary(&self) -> Result<(), StoreError> {
        // Another server after a failover may not have it.
        let server = self.seen().epoch() + 1;
        if self.dictionary_stored_on.load(Ordering::Relaxed) == server {
            return Ok(());
        }
        let row = ActiveModel {
            dictionary_id: Set(SHIPPED.id.into()),
            dictionary: Set(SHIPPED.bytes.to_vec()),
            created_at: NotSet,
            updated_at: Set(self.clock.now()),
        };
        let db = self.begin().await?;
        Upsert::<Entity>::new(self.dialect, &[Column::DictionaryId]).run(&db, vec![row]).await?;
        db.commit().await?;
        self.dictionary_stored_on.store(server, Ordering::Relaxed);
        Ok(())
    }

    /// Reads those of these dictionaries that are not known. One that is not there either, or damaged, is left
    /// unknown: that is said of each body that needs it.
    pub(super) async fn learn_dictionaries(
        &self,
        ids: impl Iterator<Item = i32>,
    ) -> Result<(), StoreError> {
        let unknown: BTreeSet<i32> =
            ids.filter(|id| self.dictionaries.get(*id).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let rows: Vec<(i64, Vec<u8>)> = Entity::find()
            .select_only()
            .columns([Column::DictionaryId, Column::Dictionary])
            .filter(Column::DictionaryId.is_in(unknown.iter().map(|id| i64::from(*id))))
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        for (id, bytes) in rows {
            let Ok(id) = i32::try_from(id) else { continue };
            match Dictionary::read(id, &bytes) {
                Ok(dictionary) => self.dictionaries.learn(id, dictionary),
                Err(error) => {
                    tracing::warn!(dictionary.id = id, %error, "a dictionary can't be used");
                }
            }
        }
        Ok(())
    }
}

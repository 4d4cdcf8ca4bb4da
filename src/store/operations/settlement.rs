//! What operators have settled of the equation: webhooks that are known to be lost, webhooks that a
//! killed door took and did not count.
//!
//! Written by `status settle` as entries of the audit log, summed up by `accounting`. Invariant:
//! the entry is the settlement, so there is none without who, when and why.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;

use entity::audit_logs::{Column, Entity};

use crate::store::Store;
use crate::store::audit::{Actor, AuditAction, AuditEntry};
use crate::store::sql::error::StoreError;

/// One settlement, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Webhooks that were taken in and are known to be lost.
    pub lost: u64,
    /// Webhooks that were taken in and not counted.
    pub found: u64,
    /// By door (a random name in its count file): up to when, in ms since 1970, what it may have left
    /// uncounted is settled.
    #[serde(default)]
    pub until_ms: BTreeMap<String, i64>,
}

impl Settlement {
    fn add(&mut self, more: Self) {
        self.lost += more.lost;
        self.found += more.found;
        for (door, until_ms) in more.until_ms {
            let known = self.until_ms.entry(door).or_insert(until_ms);
            *known = until_ms.max(*known);
        }
    }
}

impl Store {
    /// All that was settled.
    pub async fn settled(&self) -> Result<Settlement, StoreError> {
        let name = AuditAction::Settle.name();
        let entries = Entity::find().filter(Column::Action.eq(name)).all(&self.pool().db).await?;
        let mut sum = Settlement::default();
        for entry in entries {
            // Only we write them; one that can't be read says nothing.
            let values = entry.new_values.as_deref().unwrap_or_default();
            sum.add(serde_json::from_str(values).unwrap_or_default());
        }
        Ok(sum)
    }

    /// Settles; returns the number of the entry.
    pub async fn settle(
        &self,
        settled: &Settlement,
        actor: &Actor,
        note: Option<&str>,
    ) -> Result<i64, StoreError> {
        let Settlement { lost, found, until_ms } = settled;
        let entry = AuditEntry {
            affected: lost + found,
            new_values: Some(json!({ "lost": lost, "found": found, "until_ms": until_ms })),
            note,
            ..AuditEntry::new(AuditAction::Settle, actor)
        };
        self.record(&entry).await
    }
}

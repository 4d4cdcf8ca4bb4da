//! Packs bodies and writes them beside the ledger.

use std::sync::atomic::Ordering;

use sea_orm::Set;

use entity::webhook_bodies::{ActiveModel, Column, Entity};

use crate::body_codec::{PackCheck, PackedBody, Packer};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::months::{MonthLayout, MonthTable};
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// The dictionary is young: so many bodies of each process are unpacked and compared before they are written.
const CHECKED: u64 = 100_000;

impl Store {
    /// How bodies that nobody else has are checked now.
    pub(in crate::store) fn pack_check(&self) -> PackCheck {
        if self.packed.load(Ordering::Relaxed) < CHECKED {
            PackCheck::Each
        } else {
            PackCheck::Never
        }
    }

    /// Packs bodies and writes them by the numbers and months of their rows in the ledger, which the transaction
    /// has written or locked. One that is there stays.
    pub(in crate::store) async fn write_bodies(
        &self,
        db: &CheckedTransaction,
        layout: &MonthLayout,
        mut bodies: Vec<(i64, i32, &[u8])>,
        check: PackCheck,
    ) -> Result<(), StoreError> {
        bodies.sort_unstable_by_key(|(id, ..)| *id);
        bodies.dedup_by_key(|(id, ..)| *id);
        let rows = pack(&bodies, check);
        let key: &[Column] = if layout.of(MonthTable::Bodies).is_keyed {
            &[Column::WebhookEventId, Column::Month]
        } else {
            &[Column::WebhookEventId]
        };
        Upsert::<Entity>::new(self.dialect, key).run(db, rows).await?;
        self.packed.fetch_add(bodies.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn pack(bodies: &[(i64, i32, &[u8])], check: PackCheck) -> Vec<ActiveModel> {
    // Without memory for one they are stored as they came.
    let mut packer = Packer::new(check).ok();
    let mut rows = Vec::with_capacity(bodies.len());
    for (id, month, body) in bodies {
        let stored = packer.as_mut().map_or_else(|| PackedBody::raw(body), |it| it.pack(body));
        rows.push(row(*id, *month, stored));
    }
    let mismatches = packer.map_or(0, |packer| packer.mismatches);
    if mismatches > 0 {
        tracing::error!(
            bodies.count = mismatches,
            "zstd packed bodies that do not unpack to what they were: they are stored as they came"
        );
    }
    rows
}

fn row(id: i64, month: i32, packed: PackedBody<'_>) -> ActiveModel {
    let PackedBody { codec, dictionary_id, body_bytes, bytes } = packed;
    ActiveModel {
        webhook_event_id: Set(id),
        body_bytes: Set(i32::try_from(body_bytes).unwrap_or(i32::MAX)),
        dictionary_id: Set(dictionary_id),
        codec: Set(codec.name().to_owned()),
        body: Set(bytes.into_owned()),
        month: Set(month),
    }
}

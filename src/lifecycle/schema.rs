//! What a worker waits for before it takes anything: a schema that holds all it writes.
//!
//! A new release is rolled out while its migration is still to run. Its workers could only hold what
//! they receive; waiting, they leave it to those of the previous release. The door never waits.

use tokio_util::sync::CancellationToken;

use crate::outage::Outage;
use crate::store::{Store, StoreError};

/// Returns once no migration of this release is missing, or on a stop.
pub async fn wait_for_schema(store: &Store, stop: &CancellationToken) {
    let mut outage = Outage::new();
    let mut told = String::new();
    while let Err(reason) = complete(store).await {
        if reason != told {
            tracing::warn!(reason, "workers wait for the schema");
            told = reason;
        }
        let waiting = tokio::time::sleep(outage.next_wait());
        if stop.run_until_cancelled(waiting).await.is_none() {
            return;
        }
    }
}

/// Whether every migration of this release is applied; else what is wrong.
async fn complete(store: &Store) -> Result<(), String> {
    match migration::status(&store.connection()).await {
        Ok(schema) if schema.missing() == 0 => Ok(()),
        Ok(schema) => Err(format!("{} migrations are missing", schema.missing())),
        Err(error) => Err(StoreError::from(error).detail()),
    }
}

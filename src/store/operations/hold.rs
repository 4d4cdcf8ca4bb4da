//! Waits for the database, for work that an operator asked for and that no queue keeps.

use crate::outage::Outage;
use crate::store::sql::error::StoreError;
use crate::telemetry::cause::Causes;

/// Tries until it is no outage and no conflict that answers.
pub(crate) async fn hold<T, F: Future<Output = Result<T, StoreError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, StoreError> {
    let mut outage = Outage::new();
    loop {
        match attempt().await {
            Err(error) if error.class().is_blameless() => {
                let delay = outage.next_wait();
                if outage.is_news() {
                    tracing::warn!(error = %Causes(&error), "the database is away: waiting for it");
                }
                tokio::time::sleep(delay).await;
            }
            result => return result,
        }
    }
}

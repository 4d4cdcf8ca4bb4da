//! How long a connection's messages have been refused.
//!
//! Used by `publish`. A quorum queue that was longer than a policy allows goes on refusing what comes by
//! the channels of then when the policy is long gone (`evaluate_limit` of 3.10's `rabbit_fifo.erl`); what
//! comes by new ones it takes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::error::BrokerError;
use super::lock::Lock;
use super::topology::Address;

/// So long, and another connection may fare better.
const LASTING: Duration = Duration::from_secs(5);

/// Since when each address has refused everything.
#[derive(Default)]
pub(super) struct Refusals {
    /// Whether there are any, so that nothing is locked while there are none.
    any: AtomicBool,
    since: Lock<HashMap<Address, Instant>>,
}

impl Refusals {
    /// Takes down how a publish ended.
    pub(super) fn note(&self, to: &Address, answer: &Result<(), BrokerError>) {
        match answer {
            Err(BrokerError::NotTaken) => self.since.with(|since| {
                since.entry(to.clone()).or_insert_with(Instant::now);
                self.any.store(true, Ordering::Relaxed);
            }),
            Ok(()) if self.any.load(Ordering::Relaxed) => self.since.with(|since| {
                since.remove(to);
                self.any.store(!since.is_empty(), Ordering::Relaxed);
            }),
            _ => {}
        }
    }

    /// Whether one address has refused everything for long.
    pub(super) fn last_too_long(&self) -> bool {
        self.any.load(Ordering::Relaxed)
            && self.since.with(|since| since.values().any(|at| at.elapsed() >= LASTING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_again_is_refused_no_longer() {
        let refusals = Refusals::default();
        let lane = Address::of_queue("lane".into());
        let refused = Err(BrokerError::NotTaken);
        refusals.note(&lane, &refused);
        tokio::time::advance(LASTING).await;
        refusals.note(&Address::of_queue("other".into()), &Ok(()));
        assert!(refusals.last_too_long(), "another's confirm is not its own");
        refusals.note(&lane, &Ok(()));
        assert!(!refusals.last_too_long());
        refusals.note(&lane, &refused);
        assert!(!refusals.last_too_long(), "it has only begun");
    }
}

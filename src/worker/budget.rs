//! How many bytes of bodies a worker has in hand: each batch has its share of one budget.
//!
//! Used by the worker's loops. Invariant: what all lanes and all their batches hold together stays within the
//! budget, but for bodies over a batch's share: those come alone, and one at a time is processed.

use tokio::sync::{Mutex, MutexGuard};

use crate::queue::{BatchLimit, Delivery};

/// The bytes that batches may have in hand.
pub struct ByteBudget {
    batch_bytes_max: u64,
    /// Held while a body over a batch's share is processed.
    large: Mutex<()>,
}

impl ByteBudget {
    /// `memory_bytes_max` for `batches` at a time, none of which takes more than `batch_bytes_max`.
    pub fn new(batch_bytes_max: u64, memory_bytes_max: u64, batches: usize) -> Self {
        let share = memory_bytes_max / u64::try_from(batches.max(1)).unwrap_or(u64::MAX);
        Self { batch_bytes_max: batch_bytes_max.min(share), large: Mutex::new(()) }
    }

    /// What one batch of up to `count_max` may hold.
    pub fn limit(&self, count_max: usize) -> BatchLimit {
        BatchLimit { count_max, bytes_max: self.batch_bytes_max }
    }

    /// Room for a batch: there is for one within its share; one over it waits until it is alone.
    pub async fn room_for(&self, batch: &[Delivery]) -> Option<MutexGuard<'_, ()>> {
        let bytes: u64 = batch.iter().map(|delivery| delivery.webhook().body().len() as u64).sum();
        if bytes > self.batch_bytes_max { Some(self.alone().await) } else { None }
    }

    /// Room for one of those that have no share.
    pub async fn alone(&self) -> MutexGuard<'_, ()> {
        self.large.lock().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::webhook::{Headers, Receipt, WebhookKey, WebhookParts};

    fn batch(bytes: usize) -> Vec<Delivery> {
        let webhook = WebhookParts {
            key: WebhookKey::default(),
            receipt: Receipt(1),
            at_ms: 0,
            received_at_ms: 0,
            replay: false,
            headers: Headers::new(),
            body: vec![b'x'; bytes].into(),
        };
        let (returns, _) = mpsc::unbounded_channel();
        vec![Delivery::new(webhook.into(), Vec::new(), 1, returns)]
    }

    #[test]
    fn more_batches_have_smaller_shares_of_one_budget() {
        assert_eq!(ByteBudget::new(100, 1000, 8).limit(5).bytes_max, 100);
        assert_eq!(ByteBudget::new(100, 1000, 20).limit(5).bytes_max, 50);
    }

    #[tokio::test]
    async fn of_large_bodies_one_is_processed_at_a_time() {
        let budget = ByteBudget::new(100, 1000, 8);
        assert!(budget.room_for(&batch(100)).await.is_none());
        let first = budget.room_for(&batch(101)).await;
        assert!(first.is_some());
        let large = batch(101);
        let mut second = Box::pin(budget.room_for(&large));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(budget.room_for(&batch(100)).await.is_none(), "others go on");
        drop(first);
        assert!(second.await.is_some());
    }
}

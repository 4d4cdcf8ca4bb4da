//! Webhooks on their way to doors, tried again as a WAHA does, while something happens to the doors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Age, Sent};

use crate::app::KEY;
use crate::wait::wait_for;

/// Sends at a steady rate (webhooks per second) to these doors, with so many retries 250 ms apart.
pub fn at_rate(urls: Vec<String>, rate: f64, retries: u32) -> Sending {
    Sending {
        urls,
        key: Some(KEY.into()),
        connections: 32,
        rate: Some(rate),
        attempts_max: retries,
        retry_delay: Duration::from_millis(250),
        waha: Age::default(),
    }
}

/// Webhooks on their way.
pub struct Load {
    ended: Arc<AtomicUsize>,
    sending: JoinHandle<Report>,
}

impl Load {
    pub fn start(sending: Sending, webhooks: impl Iterator<Item = Sent> + Send + 'static) -> Self {
        let ended = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&ended);
        let progress = move || {
            counting.fetch_add(1, Ordering::Relaxed);
        };
        let sending =
            tokio::spawn(async move { send_all(sending, webhooks, progress).await.unwrap() });
        Self { ended, sending }
    }

    /// How many were accepted, or given up.
    pub fn count(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits until so many were.
    pub async fn reaches(&self, count: usize, limit: Duration) {
        wait_for("webhooks taken in", limit, || async { (self.count() >= count).then_some(()) })
            .await;
    }

    /// Waits for the last.
    pub async fn report(self) -> Report {
        self.sending.await.unwrap()
    }
}

//! How much room the disk of the data folder has.
//!
//! Started by `lifecycle` in processes that keep files there. A disk that does not answer, as a network's
//! can, holds up nothing but the next look; its gauges are gone meanwhile, because an old figure would look
//! like a new one.

use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{StatVfs, statvfs};
use tokio_util::sync::CancellationToken;

use crate::metrics::gauges::Gauges;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A disk that takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Looks at the disk of a folder.
pub struct DiskMonitor {
    folder: PathBuf,
    gauges: Gauges,
}

impl DiskMonitor {
    /// Sets the metrics of the disk on which `folder` is.
    pub fn new(folder: PathBuf, gauges: Gauges) -> Self {
        Self { folder, gauges }
    }

    /// Looks again and again, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            self.look().await;
            let pause = tokio::time::sleep(LOOK_EVERY);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self) {
        let folder = self.folder.clone();
        let mut asked = tokio::task::spawn_blocking(move || statvfs(&folder));
        let in_time = tokio::time::timeout(ANSWER_MAX, &mut asked).await;
        let answer = if let Ok(answer) = in_time {
            answer
        } else {
            self.gauges.forget_disk();
            // One question at a time: threads that hang would add up.
            asked.await
        };
        match answer {
            Ok(Ok(StatVfs { f_frsize, f_blocks, f_bavail, .. })) => {
                let bytes = |blocks: u64| blocks.saturating_mul(f_frsize);
                self.gauges.set_disk(bytes(f_bavail), bytes(f_blocks));
            }
            Ok(Err(_)) | Err(_) => self.gauges.forget_disk(),
        }
    }
}

//! A whole queue file with its log, as a killed process or a bad disk leaves them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::checks::check_key;
use crate::clock::SystemClock;
use crate::queue::sqlite::{Options, SqliteQueue};
use crate::queue::{BatchLimit, Lane, Queue, QueueError};

/// What became of the webhooks in a file.
#[derive(Debug, Default)]
pub struct FileOutcome {
    /// How often each was handed out, by its id.
    pub handed_out: BTreeMap<String, usize>,
    /// Those that are told to be set aside.
    pub set_aside: u64,
    /// Those that are told to be missing.
    pub missing: u64,
}

/// Opens the files, mends them if they are damaged, and works off what is in them. `files`: length of
/// the queue file in four bytes, this, and its log. None if the files can't be used, and that is told.
pub fn queue_file(files: &[u8]) -> Option<FileOutcome> {
    let (length, rest) = files.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (file, log) = rest.split_at_checked(length)?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    fs::write(&path, file).expect("a file");
    fs::write(folder.path().join("queue.db-wal"), log).expect("a log");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work_off(&path)).ok()
}

pub(super) fn options() -> Options {
    Options::new(1 << 30, Arc::new(SystemClock))
}

async fn work_off(path: &Path) -> Result<FileOutcome, QueueError> {
    let queue = SqliteQueue::open_or_mend(path, options())?;
    let mut outcome = FileOutcome::default();
    for lane in Lane::ALL {
        loop {
            let batch = queue.receive(lane, BatchLimit::of(100), Duration::ZERO).await?;
            if batch.is_empty() {
                break;
            }
            for delivery in &batch {
                let key = delivery.webhook().key();
                check_key(key);
                *outcome.handed_out.entry(key.id.clone()).or_default() += 1;
            }
            queue.ack(batch).await?;
        }
    }
    let census = queue.census().await?;
    (outcome.set_aside, outcome.missing) = (census.set_aside, census.missing);
    Ok(outcome)
}

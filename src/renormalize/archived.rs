//! The same with lines of an archive, whose webhooks the ledger has let go of: only what they tell is written.
//!
//! Invariant: the ledger is not touched, so the equation of `status` stays; and merge rules make it safe however
//! often a webhook is told.

use std::io::BufRead;
use std::time::Instant;

use super::{HistorySource, PASSES_MAX, Renormalizer};
use crate::normalize::normalize;
use crate::operations::{LineError, next_webhooks};
use crate::store::apply::batch::ApplyTask;
use crate::store::apply::halves::Halves;
use crate::webhook::Webhook;

/// What came of reading an archive again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchivedCounts {
    /// Lines that were read.
    pub lines: u64,
    /// Those without a body, or of webhooks that were given up: nothing can be done about them.
    pub left: u64,
    /// Those whose changes are in the tables now.
    pub read_again: u64,
    /// Those that could not be written.
    pub failed: u64,
    /// How many messages lost something that their webhooks don't tell any more.
    pub taken_back: usize,
}

impl Renormalizer<'_> {
    /// Reads again what `open` opens, from its beginning each time.
    pub async fn run_archive<R: BufRead>(
        &self,
        open: impl Fn() -> std::io::Result<R>,
    ) -> Result<ArchivedCounts, LineError> {
        let mut counts = self.archive_pass(&mut open()?).await?;
        let mut taken_back = counts.taken_back;
        // What others told where something was taken back has to be told again.
        for _ in 1..PASSES_MAX {
            if taken_back == 0 {
                break;
            }
            taken_back = self.archive_pass(&mut open()?).await?.taken_back;
            counts.taken_back += taken_back;
        }
        Ok(counts)
    }

    async fn archive_pass(&self, input: &mut impl BufRead) -> Result<ArchivedCounts, LineError> {
        let (started, mut counts) = (Instant::now(), ArchivedCounts::default());
        loop {
            let (webhooks, lines) = next_webhooks(input, counts.lines + 1)?;
            if lines == 0 {
                return Ok(counts);
            }
            counts.lines += lines;
            counts.left += lines - webhooks.len() as u64;
            self.apply_archived(&webhooks, &mut counts).await;
            let done = usize::try_from(counts.lines).unwrap_or(usize::MAX);
            self.slow_down(started, done).await;
        }
    }

    async fn apply_archived(&self, webhooks: &[Webhook], counts: &mut ArchivedCounts) {
        let task = |webhook| {
            let normalized = normalize(webhook, self.rules).ok()?;
            Some(ApplyTask { webhook, attempts: 1, normalized })
        };
        let tasks: Vec<ApplyTask<'_>> = webhooks.iter().filter_map(task).collect();
        counts.left += (webhooks.len() - tasks.len()) as u64;
        let mut halves = Halves::of(&tasks);
        while let Some(part) = halves.next_part() {
            match self.write(HistorySource::Archive, part).await {
                Ok(applied) => {
                    counts.taken_back += applied.taken_back;
                    counts.read_again += part.len() as u64;
                }
                Err(_) => counts.failed += u64::from(halves.split(part).is_some()),
            }
        }
    }
}

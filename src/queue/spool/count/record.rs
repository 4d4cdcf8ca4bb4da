//! What a door counts, and what happens to it.

use serde::{Deserialize, Serialize};

use super::gap::{CountGap, GapCause};
use super::process::DoorProcess;
use crate::queue::sqlite::FileMark;

/// Gaps that are kept apart; older ones become one.
pub(super) const GAPS_MAX: usize = 16;

/// A kill in the middle of work may always leave so many uncounted, about.
const UNCERTAIN_MIN: u64 = 16;

/// A webhook that gets no answer was tried for so long at most, about.
const TRIED_MAX_MS: i64 = 10_000;

/// Webhooks without an answer that come within so long are of one outage.
const OUTAGE_PAUSE_MS: i64 = 60_000;

/// What a door counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CountRecord {
    /// Grows with each write.
    pub(super) sequence: u64,
    /// The door: a random name.
    pub(super) door: String,
    /// Webhooks that the broker took.
    pub(super) accepted: u64,
    /// Webhooks may have been taken that are not in `accepted` yet.
    pub(super) is_moving: bool,
    /// About how many are counted at a time.
    pub(super) recent: u64,
    /// When something happened that leaves the count unsure.
    pub(super) gaps: Vec<CountGap>,
    /// The spool file as it was last seen; none while there is none.
    #[serde(default)]
    pub(super) spool: Option<SpoolMark>,
    /// Who counts; none after a proper end.
    pub(super) process: Option<DoorProcess>,
}

/// Which spool file these counts belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SpoolMark {
    /// Which it is.
    pub(super) mark: FileMark,
    /// When it was so, ms since 1970.
    pub(super) at_ms: i64,
}

impl CountRecord {
    /// A new process counts on. If the one before was killed at work, or with its machine, what it left
    /// uncounted is a gap.
    pub(super) fn begin(&mut self, process: DoorProcess, now_ms: i64) {
        if let Some(dead) = self.process.take()
            && (self.is_moving || !dead.is_of_boot(&process))
        {
            let webhooks_max = Some(UNCERTAIN_MIN.max(2 * self.recent));
            let from_ms = dead.seen_ms.min(now_ms);
            let cause = GapCause::Kill;
            self.gaps.push(CountGap { from_ms, until_ms: now_ms, webhooks_max, cause });
        }
        // A file that was damaged knows no times.
        for gap in self.gaps.iter_mut().filter(|gap| gap.until_ms == 0) {
            gap.until_ms = now_ms;
        }
        self.is_moving = false;
        self.process = Some(process);
    }

    /// The process lives.
    pub(super) fn see(&mut self, now_ms: i64) {
        if let Some(process) = &mut self.process {
            process.seen_ms = now_ms;
        }
    }

    /// Another spool file, or a copy of before, lacks what was in the one that was counted with.
    pub(super) fn note_spool(&mut self, spool: Option<SpoolMark>, now_ms: i64) {
        let Some(spool) = spool else { return };
        if let Some(before) = self.spool.filter(|before| !spool.mark.continues(&before.mark)) {
            let from_ms = before.at_ms.min(now_ms);
            let cause = GapCause::Spool;
            self.gaps.push(CountGap { from_ms, until_ms: now_ms, webhooks_max: None, cause });
        }
        self.spool = Some(spool);
    }

    /// The broker may have webhooks that were refused. One outage is one gap.
    pub(super) fn add_unanswered(&mut self, unanswered: u64, now_ms: i64) {
        if unanswered == 0 {
            return;
        }
        let from_ms = now_ms - TRIED_MAX_MS;
        let cause = GapCause::Unanswered;
        let is_same =
            |gap: &&mut CountGap| gap.cause == cause && gap.until_ms >= from_ms - OUTAGE_PAUSE_MS;
        if let Some(last) = self.gaps.last_mut().filter(is_same) {
            last.until_ms = now_ms;
            last.webhooks_max = last.webhooks_max.map(|max| max + unanswered);
        } else {
            let webhooks_max = Some(unanswered);
            self.gaps.push(CountGap { from_ms, until_ms: now_ms, webhooks_max, cause });
        }
    }

    /// The oldest become one.
    pub(super) fn limit_gaps(&mut self) {
        while self.gaps.len() > GAPS_MAX {
            let old = self.gaps.remove(0);
            let next = &mut self.gaps[0];
            next.from_ms = next.from_ms.min(old.from_ms);
            next.until_ms = next.until_ms.max(old.until_ms);
            next.webhooks_max = next.webhooks_max.zip(old.webhooks_max).map(|(a, b)| a + b);
        }
    }
}

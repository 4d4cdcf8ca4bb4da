//! What a spool file and its count file say: the door's side of the equation.
//!
//! Read by `accounting`, from any process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::file;
use super::gap::{CountGap, GapCause};
use super::legacy;
use super::process::DoorProcess;
use super::record::{CountRecord, SpoolMark};
use crate::queue::QueueError;
use crate::queue::sqlite::{FileCounts, read_census};

/// What a door knows, or all doors together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorCounts {
    /// Webhooks that the doors took in, through the broker or the file.
    pub accepted: u64,
    /// When something happened that leaves counts unsure; by the name of the door.
    pub gaps: Vec<(String, CountGap)>,
    /// A door may have taken webhooks that it has not counted yet.
    pub is_moving: bool,
    /// Webhooks that are still in the files.
    pub waiting: u64,
    /// Of those, how many may be on the broker as well.
    pub handed_out: u64,
    /// Replays that are still in the files; not part of `waiting`.
    pub replays: u64,
    /// Webhooks that damage took out of the files: set aside beside them, or missing.
    pub damaged: u64,
    /// The doors that count now, or ended without a word.
    pub doors: Vec<DoorProcess>,
}

impl DoorCounts {
    /// Adds the books of another door.
    pub fn add(&mut self, more: Self) {
        let Self { accepted, gaps, is_moving, waiting, handed_out, replays, damaged, doors } = more;
        self.damaged += damaged;
        self.accepted += accepted;
        self.gaps.extend(gaps);
        self.is_moving |= is_moving;
        self.waiting += waiting;
        self.handed_out += handed_out;
        self.replays += replays;
        self.doors.extend(doors);
    }

    /// Reads the books of the spool file at `path`, which a process may be using.
    pub async fn read(path: &Path) -> Result<Self, QueueError> {
        let path = path.to_owned();
        let reading = tokio::task::spawn_blocking(move || read(&path));
        reading.await.map_err(|_| QueueError::Closed)?
    }

    fn unsettled(&self, until_ms: &BTreeMap<String, i64>) -> impl Iterator<Item = &CountGap> {
        let is_open = move |(door, gap): &&(String, CountGap)| {
            until_ms.get(door).is_none_or(|settled| gap.until_ms > *settled)
        };
        self.gaps.iter().filter(is_open).map(|(_, gap)| gap)
    }

    /// How many webhooks may be uncounted, where that has a bound. `until_ms`: what is settled, by door.
    pub fn uncertain(&self, until_ms: &BTreeMap<String, i64>) -> u64 {
        self.unsettled(until_ms).filter_map(|gap| gap.webhooks_max).sum()
    }

    /// Whether every gap has a bound.
    pub fn is_uncertainty_bounded(&self, until_ms: &BTreeMap<String, i64>) -> bool {
        self.unsettled(until_ms).all(|gap| gap.webhooks_max.is_some())
    }

    /// What is not known, in words; none if all is.
    pub fn uncertain_reason(&self, until_ms: &BTreeMap<String, i64>) -> Option<String> {
        let from_ms = self.unsettled(until_ms).map(|gap| gap.from_ms).min()?;
        let to_ms = self.unsettled(until_ms).map(|gap| gap.until_ms).max()?;
        let count = if self.is_uncertainty_bounded(until_ms) {
            format!("up to {} webhooks", self.uncertain(until_ms))
        } else {
            "an unknown number of webhooks".to_owned()
        };
        let causes: BTreeSet<GapCause> = self.unsettled(until_ms).map(|gap| gap.cause).collect();
        let may_be =
            if causes.contains(&GapCause::Spool) { "lost or uncounted" } else { "uncounted" };
        let causes: Vec<&str> = causes.into_iter().map(GapCause::words).collect();
        Some(format!(
            "{}: {count} may be {may_be} between {} and {} (`status settle` decides)",
            causes.join(", and "),
            time(from_ms),
            time(to_ms)
        ))
    }

    /// Up to when each door has gaps that are not settled yet: what a settlement settles.
    pub fn gap_ends(&self, until_ms: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
        let mut ends = BTreeMap::new();
        let is_settled = |door: &String, gap: &CountGap| {
            until_ms.get(door).is_some_and(|settled| gap.until_ms <= *settled)
        };
        for (door, gap) in self.gaps.iter().filter(|(door, gap)| !is_settled(door, gap)) {
            let end = ends.entry(door.clone()).or_insert(gap.until_ms);
            *end = gap.until_ms.max(*end);
        }
        ends
    }
}

/// A time for people, ms since 1970.
pub fn time(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).filter(|_| ms > 0);
    time.map_or_else(
        || "its first day".to_owned(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    )
}

fn read(path: &Path) -> Result<DoorCounts, QueueError> {
    let count = file::read(&file::path_of(path)).map_err(|error| QueueError::File {
        path: file::path_of(path).display().to_string(),
        problem: error.to_string(),
    })?;
    // A disk that was full when the door first started has no spool file yet.
    let is_there = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if count.is_none() && !is_there {
        let problem = "it is not there".to_owned();
        return Err(QueueError::File { path: path.display().to_string(), problem });
    }
    let census = if is_there { read_census(path)? } else { FileCounts::default() };
    let count = count.unwrap_or_else(|| of_earlier_release(path));
    let of_file = gaps_of_file(&census, count.spool);
    let gaps = count.gaps.into_iter().chain(of_file);
    Ok(DoorCounts {
        accepted: census.accepted + count.accepted,
        gaps: gaps.map(|gap| (count.door.clone(), gap)).collect(),
        is_moving: count.is_moving,
        waiting: census.waiting,
        // Of those that can't be read nobody knows whether the broker has them.
        handed_out: census.handed_out.len() as u64 + census.unreadable,
        damaged: census.gone(),
        replays: census.replays,
        doors: count.process.into_iter().collect(),
    })
}

/// What the file says of a former one that was lost, and whether it is the one that the count belongs to.
fn gaps_of_file(census: &FileCounts, counted: Option<SpoolMark>) -> impl Iterator<Item = CountGap> {
    let gap = |(from_ms, until_ms)| CountGap {
        from_ms,
        until_ms,
        webhooks_max: None,
        cause: GapCause::Spool,
    };
    let is_other =
        |counted: &SpoolMark| census.mark.is_none_or(|mark| !mark.continues(&counted.mark));
    let other = counted.filter(is_other).map(|counted| (counted.at_ms, counted.at_ms + 1));
    census.unsure_ms.into_iter().chain(other).map(gap)
}

/// It counted in the spool file itself.
fn of_earlier_release(path: &Path) -> CountRecord {
    let uncounted = legacy::uncounted(path).unwrap_or_default();
    let until_ms = 1;
    let webhooks_max = Some(uncounted);
    let gap = CountGap { until_ms, webhooks_max, ..CountGap::default() };
    let gaps = if uncounted > 0 { vec![gap] } else { Vec::new() };
    CountRecord { gaps, ..CountRecord::default() }
}

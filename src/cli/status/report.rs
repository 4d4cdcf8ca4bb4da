//! What `status` says for people, in single lines.

use std::time::Duration;

use crate::admin::{AwayPart, StatusCounts, StatusPlace, StatusReport};
use crate::cli::output::{plain, whole_seconds};
use crate::cli::time;
use crate::figures::span;
use crate::store::connect::replica::ReplicaView;
use crate::store::operations::attachments::LateFiles;

/// A line for each thing that does not answer, and for what can't be seen. Since when, the process says that uses it.
pub(super) fn away_lines(report: &StatusReport) -> Vec<String> {
    let line = |AwayPart { what, words }: &AwayPart| plain(&format!("away: {what}: {words}"));
    let unseen = report.unseen.iter().map(|why| plain(&format!("not seen: {why}")));
    report.away.iter().map(line).chain(unseen).collect()
}

/// A line if webhooks are ready and nobody works.
pub(super) fn worker_line(report: &StatusReport) -> Option<String> {
    let ready: u64 = report.lanes.iter().flatten().map(|lane| lane.ready).sum();
    let is_missed = report.worker_seen == Some(false) && ready > 0;
    is_missed.then(|| {
        format!("no worker has been seen for a minute, and {ready} wait: start `waha-ingest up` or `work`")
    })
}

/// What is known though not everything can be counted.
pub(super) fn uncounted_line(counts: &StatusCounts) -> String {
    let known = |name: &str, count: Option<u64>| {
        count.map_or_else(|| format!("{name} not known"), |count| format!("{name} {count}"))
    };
    let (accepted, waiting) =
        (known("accepted", counts.accepted), known("waiting", counts.waiting));
    format!("{accepted}, {waiting}, the rest can't be counted: not known")
}

/// Files that wait for too long. Reasons are ours.
pub(super) fn late_files_line(late: &LateFiles) -> String {
    let LateFiles { count, oldest_at, reason } = late;
    let reason = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let since = time::short(*oldest_at);
    format!(
        "files: {count} wait to be fetched, the first since {since}{reason}: waha-ingest media list --state waiting"
    )
}

/// How the replica stands, if there is one.
pub(super) fn replica_line(replica: &ReplicaView) -> String {
    let ReplicaView { place, age_ms, problem, .. } = replica;
    let age = age_ms.map(|ms| whole_seconds(Duration::from_millis(ms)));
    let age = age.map(|ms| format!("at most {} old", span(ms)));
    let age = age.unwrap_or_else(|| "of unknown age".to_owned());
    match problem {
        None => plain(&format!("replica {place}: {age}; lists are read from it")),
        Some(problem) => {
            plain(&format!("replica {place}: {age}; lists are read from the primary: {problem}"))
        }
    }
}

/// What was looked at. Names come from the configuration.
pub(super) fn place_line(place: &StatusPlace) -> String {
    let StatusPlace { data_dir, database, queue } = place;
    let database = if database.is_empty() { "none".to_owned() } else { database.join("; ") };
    let queue = queue.join(", ");
    plain(&format!("looked at: data {}; database {database}; queue {queue}", data_dir.display()))
}

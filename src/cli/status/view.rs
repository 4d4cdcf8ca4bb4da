//! What `status --watch` shows: what somebody should look at, counts with their rates, then one table per
//! section. Pure, but for the time between two looks.

use std::time::{Duration, Instant};

use super::report::{away_lines, late_files_line, place_line, worker_line};
use super::section::{Section, dead_letters, lanes};
use super::{broker, process, sessions, verdict};
use crate::accounting::Accounting;
use crate::admin::StatusReport;
use crate::cli::output::plain;
use crate::figures::grouped;

/// Lines of one kind of trouble, such as silent sessions.
const LINES_MAX: usize = 4;

/// Keeps the last counts, for the rates.
pub(super) struct View {
    every: Duration,
    /// The key that ends it.
    end_key: &'static str,
    last: Option<(Instant, Vec<(&'static str, u64)>)>,
}

impl View {
    pub(super) fn new(every: Duration, end_key: &'static str) -> Self {
        Self { every, end_key, last: None }
    }

    /// The lines to show: first what somebody should look at, because a small terminal shows no more.
    /// Counts that can't be taken show as their reason.
    pub(super) fn lines(&mut self, counted: anyhow::Result<StatusReport>) -> Vec<String> {
        let report = match counted {
            Ok(report) => report,
            Err(error) => {
                self.last = None;
                return vec![self.title("away"), format!("can't count now: {error:#}")];
            }
        };
        let mut lines = self.head(&report);
        lines.extend(troubles(&report));
        for section in self.sections(&report) {
            lines.push(String::new());
            lines.extend(section.lines());
        }
        lines.push(String::new());
        lines.extend(report.processes.iter().map(|process| plain(&process.line())));
        lines.push(place_line(&report.place));
        lines
    }

    /// The verdict, and what is away.
    fn head(&mut self, report: &StatusReport) -> Vec<String> {
        match &report.equation {
            None => {
                self.last = None;
                let away = away_lines(report);
                let is_door = report.away.is_empty() && report.unseen.is_some();
                let (state, why) = if is_door {
                    ("not known", "can't count here, because the tables can't be seen")
                } else {
                    ("away", "can't count now, because of what is away")
                };
                std::iter::once(self.title(state)).chain([why.to_owned()]).chain(away).collect()
            }
            Some(equation) => vec![self.title(&verdict(equation))],
        }
    }

    /// The verdict stands first, so that the smallest terminal shows it.
    fn title(&self, verdict: &str) -> String {
        let seconds = self.every.as_secs();
        let end_key = self.end_key;
        format!("waha-ingest: {verdict} · every {seconds} s · {end_key} ends")
    }

    fn sections(&mut self, report: &StatusReport) -> Vec<Section> {
        let counts = report.equation.as_ref().map(|equation| self.counts(equation, Instant::now()));
        let mut sections: Vec<Section> = counts.into_iter().chain([lanes(report)]).collect();
        sections.extend(dead_letters(report));
        sections
    }

    fn counts(&mut self, equation: &Accounting, now: Instant) -> Section {
        let counts = vec![
            ("accepted", equation.accepted),
            ("applied", equation.applied),
            ("duplicate", equation.duplicate),
            ("ignored", equation.ignored),
            ("dead-lettered", equation.dead_lettered),
            ("waiting", equation.waiting),
        ];
        let last = self.last.replace((now, counts.clone()));
        let row = |(index, (name, count)): (usize, &(&str, u64))| {
            let rate = last.as_ref().map(|(at, last)| rate(last[index].1, *count, now - *at));
            vec![(*name).to_owned(), grouped(*count), rate.unwrap_or_default()]
        };
        let rows = counts.iter().enumerate().map(row).collect();
        Section { head: vec!["", "webhooks", "per second"], rows }
    }
}

/// What somebody should look at, a few lines of each kind.
fn troubles(report: &StatusReport) -> Vec<String> {
    let reason = report.equation.iter().flat_map(|equation| &equation.reason);
    let mut lines: Vec<String> = reason.map(|why| format!("not known: {why}")).collect();
    lines.extend(worker_line(report));
    let of_process = report.process.iter().flat_map(process::lines).collect();
    let of_sessions = sessions::lines(report);
    let of_clocks = super::clock_lines(&report.wrong_clocks).collect();
    let of_files = report.late_files.iter().map(late_files_line).collect();
    let of_broker = report.broker.iter().flat_map(broker::lines).collect();
    for kind in [of_process, of_sessions, of_files, of_clocks, of_broker] {
        lines.extend(few(kind));
    }
    lines
}

fn few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more such lines: `status` has them"));
    }
    lines
}

/// Change per second; rows that were deleted, or a waiting that shrinks, make it negative.
fn rate(before: u64, now: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let change = now as f64 - before as f64;
    let rate = change / elapsed.as_secs_f64().max(0.001);
    if rate.abs() < 0.05 { "-".to_owned() } else { format!("{rate:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short_and_many_lines_become_few() {
        assert_eq!(rate(10, 25, Duration::from_secs(2)), "7.5");
        assert_eq!(rate(25, 10, Duration::from_secs(2)), "-7.5");
        assert_eq!(rate(25, 25, Duration::ZERO), "-");
        let lines = |count| (0..count).map(|number| format!("silent: {number}")).collect();
        assert_eq!(few(lines(LINES_MAX)).len(), LINES_MAX);
        let many = few(lines(LINES_MAX + 3));
        assert_eq!((many.len(), many[LINES_MAX].contains("3 more")), (LINES_MAX + 1, true));
    }
}

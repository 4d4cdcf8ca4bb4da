//! What `status --watch` shows: counts with their rates, then one table per section. Pure, but for the
//! time between two looks.

use std::time::{Duration, Instant};

use super::broker::BrokerReport;
use super::process::ProcessView;
use super::report::Report;
use super::sessions::Sessions;
use super::verdict;
use crate::accounting::Accounting;
use crate::cli::output::plain;
use crate::cli::time;
use crate::store::operations::dead_letter::DeadLetterGroup;

/// Keeps the last counts, for the rates.
pub(super) struct View {
    every: Duration,
    /// The key that ends it.
    end_key: &'static str,
    last: Option<(Instant, Vec<(&'static str, u64)>)>,
}

/// A table with a head. Whoever has more to show adds one in `sections`.
struct Section {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl View {
    pub(super) fn new(every: Duration, end_key: &'static str) -> Self {
        Self { every, end_key, last: None }
    }

    /// The lines to show. Counts that can't be taken show as their reason.
    pub(super) fn lines(&mut self, counted: anyhow::Result<Report>) -> Vec<String> {
        let mut lines = Vec::new();
        match counted {
            Ok(report) => {
                lines.extend(self.head(&report));
                for section in self.sections(&report) {
                    lines.push(String::new());
                    lines.extend(section.lines());
                }
                let reason = report.equation.iter().flat_map(|equation| &equation.reason);
                lines.extend(reason.map(|why| format!("not known: {why}")));
                lines.extend(report.processes.iter().map(|process| plain(&process.line())));
                lines.extend(report.sessions.iter().flat_map(Sessions::lines));
                lines.extend(super::clock_lines(&report.wrong_clocks));
                lines.extend(report.broker.iter().flat_map(BrokerReport::lines));
                lines.extend(report.process.iter().flat_map(ProcessView::lines));
            }
            Err(error) => {
                self.last = None;
                lines.push(self.title("away"));
                lines.push(String::new());
                lines.push(format!("can't count now: {error:#}"));
            }
        }
        lines
    }

    /// The verdict, and what is away.
    fn head(&mut self, report: &Report) -> Vec<String> {
        match (&report.equation, &report.uncounted) {
            (None, Some(_)) => {
                self.last = None;
                let away = report.away_lines();
                let is_door = report.away.is_empty() && report.unseen.is_some();
                let (state, why) = if is_door {
                    ("not known", "can't count here, because the tables can't be seen")
                } else {
                    ("away", "can't count now, because of what is away")
                };
                std::iter::once(self.title(state)).chain([why.to_owned()]).chain(away).collect()
            }
            (equation, _) => equation.iter().map(|it| self.title(&verdict(it))).collect(),
        }
    }

    /// The verdict stands first, so that the smallest terminal shows it.
    fn title(&self, verdict: &str) -> String {
        let seconds = self.every.as_secs();
        let end_key = self.end_key;
        format!("waha-ingest: {verdict} · every {seconds} s · {end_key} ends")
    }

    fn sections(&mut self, report: &Report) -> Vec<Section> {
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

fn lanes(report: &Report) -> Section {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for lane in report.lanes.iter().flatten() {
        let oldest = lane.oldest_age_ms.map_or_else(|| "-".to_owned(), time::span);
        rows.push(vec![lane.lane.to_owned(), grouped(lane.ready), grouped(lane.retrying), oldest]);
    }
    if let Some(spooled) = report.spooled {
        rows.push(vec!["spool".to_owned(), grouped(spooled), String::new(), String::new()]);
    }
    Section { head: vec!["lane", "ready", "retrying", "oldest"], rows }
}

/// Pending dead letters by cause, if there are any.
fn dead_letters(report: &Report) -> Option<Section> {
    let row = |group: &DeadLetterGroup| {
        let count = grouped(group.count);
        vec![plain(&group.group), plain(&group.reason), count]
    };
    let rows: Vec<Vec<String>> = report.dead_letter_groups.iter().flatten().map(row).collect();
    let head = vec!["dead letters", "reason", "pending"];
    (!rows.is_empty()).then_some(Section { head, rows })
}

impl Section {
    /// The first column to the left, the others to the right.
    fn lines(&self) -> Vec<String> {
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let mut line = format!("{:<width$}", row[0], width = widths[0].max(14));
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line += &format!("  {cell:>width$}", width = (*width).max(10));
            }
            line.trim_end().to_owned()
        };
        all().map(line).collect()
    }
}

/// Change per second; rows that were deleted, or a waiting that shrinks, make it negative.
fn rate(before: u64, now: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let change = now as f64 - before as f64;
    let rate = change / elapsed.as_secs_f64().max(0.001);
    if rate.abs() < 0.05 { "-".to_owned() } else { format!("{rate:.1}") }
}

/// A number with a gap between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_rates_are_short() {
        assert_eq!([7, 1_234, 12_345_678].map(grouped), ["7", "1 234", "12 345 678"]);
        assert_eq!(rate(10, 25, Duration::from_secs(2)), "7.5");
        assert_eq!(rate(25, 10, Duration::from_secs(2)), "-7.5");
        assert_eq!(rate(25, 25, Duration::ZERO), "-");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["messages", "1"]), row(["a-rather-long-name", "1 000 000 000"])];
        let lines = Section { head: vec!["lane", "ready"], rows }.lines();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:#?}");
    }
}

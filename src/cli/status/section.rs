//! The tables of `status --watch`. Pure.

use crate::admin::StatusReport;
use crate::cli::output::plain;
use crate::cli::table::or_dash;
use crate::cli::time;
use crate::figures::grouped;
use crate::store::operations::dead_letter::DeadLetterGroup;

/// A table with a head. Whoever has more to show adds one in `view`.
pub(super) struct Section {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

pub(super) fn lanes(report: &StatusReport) -> Section {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for lane in report.lanes.iter().flatten() {
        let oldest = or_dash(lane.oldest_age_ms.map(time::span));
        rows.push(vec![lane.lane.to_owned(), grouped(lane.ready), grouped(lane.retrying), oldest]);
    }
    if let Some(spooled) = report.spooled {
        rows.push(vec!["spool".to_owned(), grouped(spooled), String::new(), String::new()]);
    }
    Section { head: vec!["lane", "ready", "retrying", "oldest"], rows }
}

/// Pending dead letters by cause, if there are any.
pub(super) fn dead_letters(report: &StatusReport) -> Option<Section> {
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
    pub(super) fn lines(&self) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["messages", "1"]), row(["a-rather-long-name", "1 000 000 000"])];
        let lines = Section { head: vec!["lane", "ready"], rows }.lines();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:#?}");
    }
}

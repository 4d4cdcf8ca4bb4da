//! Tables for people: as wide as the terminal, cells wrapped between words; whole when it is no
//! terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use console::{Term, measure_text_width};

use crate::cli::output::outln;

/// A longer word is broken to fit.
const WORD_MAX: usize = 40;
/// Spaces around a cell.
const PADDING: u16 = 2;

/// An empty table with these headings.
pub(super) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.iter().copied());
    if let Some((_, columns)) = Term::stdout().size_checked() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

/// Prints it without the spaces at the ends of its lines.
pub(super) fn print(mut table: Table) {
    keep_words(&mut table);
    for line in table.lines() {
        outln!("{}", line.trim_end());
    }
}

/// Makes columns at least as wide as their longest words: ids and states are there to be copied. On a
/// terminal too narrow for that, nothing is wrapped.
fn keep_words(table: &mut Table) {
    let mut widths = vec![0; table.column_count()];
    for row in table.header().into_iter().chain(table.row_iter()) {
        for (width, longest) in widths.iter_mut().zip(longest_words(row)) {
            *width = longest.max(*width);
        }
    }
    let least: u16 = widths.iter().map(|width| width + PADDING).sum();
    if table.width().is_some_and(|columns| columns < least) {
        table.set_content_arrangement(ContentArrangement::Disabled);
        return;
    }
    for (column, width) in table.column_iter_mut().zip(widths) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + PADDING)));
    }
}

fn longest_words(row: &Row) -> impl Iterator<Item = u16> {
    row.cell_iter().map(|cell| {
        let text = cell.content();
        let longest = text.split_whitespace().map(measure_text_width).max();
        u16::try_from(longest.unwrap_or_default().min(WORD_MAX)).unwrap_or(u16::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_on_a_narrow_terminal() {
        let lines = |columns| -> Vec<String> {
            let mut table = table(&["group", "sample"]);
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
            table.add_row(["106ea1ee76118e36", "the body is not a JSON object"]);
            keep_words(&mut table);
            table.lines().collect()
        };
        let wrapped = lines(36);
        assert!(wrapped.iter().any(|line| line.contains("106ea1ee76118e36")), "{wrapped:?}");
        assert!(wrapped.len() > 2, "the other cell is wrapped: {wrapped:?}");
        assert_eq!(lines(20).len(), 2, "too narrow: one line each");
    }
}

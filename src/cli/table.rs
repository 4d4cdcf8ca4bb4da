//! Tables for people, one line a row: as wide as the terminal, whole when it is no terminal.
//!
//! Invariant: ids, states, counts and times are never shortened, because they are there to be
//! copied. On a terminal that is too narrow, columns that can be spared are left out, then free text is
//! shortened, the last first; what still does not fit is shown as a list, a line for each cell.

use console::{Term, measure_text_width, pad_str, truncate_str};

use crate::cli::output::{errln, outln, plain};

/// Between two columns.
const GAP: usize = 2;
/// Free text is not made shorter than this.
const TEXT_MIN: usize = 8;

/// How a column gives way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Never.
    Kept,
    /// Never; to the right.
    Number,
    /// It is shortened.
    Text,
    /// It is shortened, or left out.
    Spare,
}

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    kind: Kind,
}

/// Ids, states and times.
pub(super) const fn kept(heading: &'static str) -> Column {
    Column { heading, kind: Kind::Kept }
}

/// Counts.
pub(super) const fn number(heading: &'static str) -> Column {
    Column { heading, kind: Kind::Number }
}

/// What people and servers wrote.
pub(super) const fn text(heading: &'static str) -> Column {
    Column { heading, kind: Kind::Text }
}

/// What can be left out.
pub(super) const fn spare(heading: &'static str) -> Column {
    Column { heading, kind: Kind::Spare }
}

/// Rows under headings.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column. Cells may come from strangers.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        let one_line = |cell: String| plain(&cell).replace(['\n', '\t'], " ");
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    /// Prints it, or beside the data that there are none of `what`.
    pub(super) fn print_or_none(self, what: &str) {
        if self.rows.is_empty() {
            errln!("no {what}");
        } else {
            self.print();
        }
    }

    pub(super) fn print(self) {
        let width = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let (lines, left_out) = self.lines(width);
        for line in lines {
            outln!("{line}");
        }
        if !left_out.is_empty() {
            errln!("left out, because the terminal is narrow: {}", left_out.join(", "));
        }
    }

    /// The lines, and the headings of what is left out; without a width all of it.
    fn lines(mut self, width: Option<usize>) -> (Vec<String>, Vec<&'static str>) {
        let Some(width) = width else { return (self.table(&self.widths()), Vec::new()) };
        let mut left_out = Vec::new();
        while self.width_min() > width
            && let Some(spared) = self.columns.iter().rposition(|it| it.kind == Kind::Spare)
        {
            left_out.insert(0, self.columns.remove(spared).heading);
            self.rows.iter_mut().for_each(|row| drop(row.remove(spared)));
        }
        if self.width_min() > width {
            return (self.list(), left_out);
        }
        (self.table(&self.fitted(width)), left_out)
    }

    /// Of each column its longest cell.
    fn widths(&self) -> Vec<usize> {
        let longest = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| measure_text_width(&row[index]));
            cells.chain([measure_text_width(column.heading)]).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(longest).collect()
    }

    /// The least that it needs.
    fn width_min(&self) -> usize {
        let least =
            self.columns.iter().zip(self.widths()).map(|(column, width)| column.least(width));
        least.sum::<usize>() + self.gaps()
    }

    fn gaps(&self) -> usize {
        GAP * self.columns.len().saturating_sub(1)
    }

    /// Widths that fit, free text shortened from the last column on.
    fn fitted(&self, width: usize) -> Vec<usize> {
        let mut widths = self.widths();
        let mut excess = (widths.iter().sum::<usize>() + self.gaps()).saturating_sub(width);
        for (column, width) in self.columns.iter().zip(&mut widths).rev() {
            let given = excess.min(*width - column.least(*width));
            *width -= given;
            excess -= given;
        }
        widths
    }

    fn table(&self, widths: &[usize]) -> Vec<String> {
        let headings: Vec<String> = self.columns.iter().map(|it| it.heading.to_owned()).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&self.columns).zip(widths);
            let cells = cells.map(|((cell, column), width)| column.cell(cell, *width));
            cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
        };
        std::iter::once(&headings).chain(&self.rows).map(line).collect()
    }

    /// A line for each cell, an empty one between two rows.
    fn list(&self) -> Vec<String> {
        let width = self.columns.iter().map(|it| it.heading.len()).max().unwrap_or(0) + GAP;
        let mut lines = Vec::new();
        for row in &self.rows {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            let cells = self.columns.iter().zip(row);
            lines.extend(cells.map(|(column, cell)| format!("{:width$}{cell}", column.heading)));
        }
        lines
    }
}

impl Column {
    fn least(self, width: usize) -> usize {
        match self.kind {
            Kind::Kept | Kind::Number => width,
            Kind::Text | Kind::Spare => width.min(TEXT_MIN.max(self.heading.len())),
        }
    }

    fn cell(self, cell: &str, width: usize) -> String {
        let side = match self.kind {
            Kind::Number => console::Alignment::Right,
            Kind::Kept | Kind::Text | Kind::Spare => console::Alignment::Left,
        };
        pad_str(&truncate_str(cell, width, "…"), width, side, None).into_owned()
    }
}

/// A cell that may have nothing to say.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "106ea1ee76118e36";

    fn lines(width: Option<usize>) -> (Vec<String>, Vec<&'static str>) {
        let mut table =
            Table::new(&[kept("group"), number("count"), spare("sessions"), text("error")]);
        let error = "the body is not a JSON object".to_owned();
        table.row([GROUP.to_owned(), "7".to_owned(), "shop, berlin".to_owned(), error]);
        table.lines(width)
    }

    #[test]
    fn it_is_whole_where_there_is_room() {
        let whole = [
            "group             count  sessions      error",
            "106ea1ee76118e36      7  shop, berlin  the body is not a JSON object",
        ];
        assert_eq!(lines(None), (whole.map(str::to_owned).to_vec(), vec![]));
        assert_eq!(lines(Some(68)), lines(None));
    }

    #[test]
    fn text_gives_way_and_ids_do_not() {
        for width in [60, 46, 42, 33, 24, 10] {
            let (lines, left_out) = lines(Some(width));
            assert!(lines.iter().any(|line| line.contains(GROUP)), "{width}: {lines:#?}");
            let fits = |line: &String| measure_text_width(line) <= width;
            assert!(width < 33 || lines.iter().all(fits), "{width}: {lines:#?}");
            assert_eq!(left_out.is_empty(), width > 42, "{width}: {left_out:?}");
        }
        assert!(lines(Some(46)).0[1].ends_with('…'));
        assert_eq!(lines(Some(24)).0[2], "error  the body is not a JSON object");
    }

    #[test]
    fn a_cell_is_one_line_that_commands_nothing() {
        let mut table = Table::new(&[text("error")]);
        table.row(["a\nb\u{1b}c".to_owned()]);
        assert_eq!(table.lines(None).0[1], "a b\u{fffd}c");
    }
}

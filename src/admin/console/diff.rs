//! What differs between two texts, line by line. Pure.
//!
//! Invariant: time and memory are bounded, whatever the texts are: what is too long to be compared is shown
//! as taken out and put in whole.

/// Most pairs of lines that are compared.
const PAIRS_MAX: usize = 4_000_000;
/// Lines that stay and are shown around those that change.
const AROUND: usize = 3;

/// A line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiffLine<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
    /// So many lines that stay are left out.
    Skipped(usize),
}

impl DiffLine<'_> {
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Same(_) => "same",
            Self::Removed(_) => "removed",
            Self::Added(_) => "added",
            Self::Skipped(_) => "skipped",
        }
    }

    /// With a sign, so that colours say nothing alone.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Same(line) => format!("  {line}"),
            Self::Removed(line) => format!("- {line}"),
            Self::Added(line) => format!("+ {line}"),
            Self::Skipped(count) => format!("… {count} equal lines"),
        }
    }
}

/// What became of the lines of `before`.
pub(super) fn diff<'a>(before: &'a str, after: &'a str) -> Vec<DiffLine<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = tail.take_while(|(old, new)| old == new).count();
    let (old_middle, new_middle) =
        (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let same = |line: &&'a str| DiffLine::Same(line);
    let mut lines: Vec<DiffLine<'a>> = old[..head].iter().map(same).collect();
    lines.extend(middle(old_middle, new_middle));
    lines.extend(old_rest[old_middle.len()..].iter().map(same));
    shortened(&lines)
}

/// By the longest lines in common.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<DiffLine<'a>> {
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        let removed = old.iter().map(|line| DiffLine::Removed(line));
        return removed.chain(new.iter().map(|line| DiffLine::Added(line))).collect();
    }
    let width = new.len() + 1;
    // How many lines are in common from each pair on.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(DiffLine::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            lines.push(DiffLine::Removed(old[i]));
            i += 1;
        } else {
            lines.push(DiffLine::Added(new[j]));
            j += 1;
        }
    }
    lines
}

/// Without the lines that stay far from any that changes.
fn shortened<'a>(lines: &[DiffLine<'a>]) -> Vec<DiffLine<'a>> {
    let is_change = |line: &DiffLine<'_>| !matches!(line, DiffLine::Same(_));
    let mut near = vec![false; lines.len()];
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| is_change(line)) {
        let until = (index + AROUND + 1).min(lines.len());
        near[index.saturating_sub(AROUND)..until].fill(true);
    }
    let mut short = Vec::new();
    for (line, near) in lines.iter().zip(near) {
        match (near, short.last_mut()) {
            (true, _) => short.push(*line),
            (false, Some(DiffLine::Skipped(count))) => *count += 1,
            (false, _) => short.push(DiffLine::Skipped(1)),
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        diff(before, after).iter().map(DiffLine::text).collect()
    }

    #[test]
    fn what_changes_is_shown_with_what_is_around() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh";
        let after = "a\nb\nc\nd\nE\nf\nnew\ng\nh";
        let expected =
            ["… 1 equal lines", "  b", "  c", "  d", "- e", "+ E", "  f", "+ new", "  g", "  h"];
        assert_eq!(told(before, after), expected);
        assert_eq!(told("x", "x"), ["… 1 equal lines"]);
        assert_eq!(told("", "x"), ["+ x"]);
    }

    #[test]
    fn what_is_too_long_is_shown_whole() {
        let text = |from: usize| {
            (from..from + 3000).map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(diff(&text(0), &text(10_000)).len(), 6000);
    }
}

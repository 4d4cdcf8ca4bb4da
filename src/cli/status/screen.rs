//! Where `status --watch` shows its lines: in place on a terminal, else one view after the other.
//!
//! Invariant: on a terminal each line fits, because one that wraps by itself would be counted wrong, and what
//! has scrolled off the top can't be replaced.

use std::io::Write;

use console::{Style, Term, measure_text_width};

use super::view::View;
use crate::admin::StatusReport;
use crate::cli::output::{errln, escaped_json, plain};
use crate::telemetry::wants_colour;

/// Before the further lines of one that is too long.
const INDENT: &str = "  ";

/// Where the view goes.
pub(super) struct Screen {
    term: Term,
    is_json: bool,
    has_colour: bool,
    /// Lines of the last view, which the next one replaces.
    lines: usize,
}

impl Screen {
    pub(super) fn open(is_json: bool) -> Self {
        let term = Term::stdout();
        let has_colour = wants_colour(&std::io::stdout());
        Self { term, is_json, has_colour, lines: 0 }
    }

    pub(super) fn show(
        &mut self,
        view: &mut View,
        counted: anyhow::Result<StatusReport>,
    ) -> std::io::Result<()> {
        match (self.is_json, counted) {
            (true, Ok(report)) => {
                self.term.write_line(&escaped_json(&serde_json::to_string(&report)?))
            }
            (true, Err(error)) => {
                errln!("error: {error:#}");
                Ok(())
            }
            (false, counted) => self.draw(&view.lines(counted)),
        }
    }

    /// In one write, so that nothing flickers.
    fn draw(&mut self, lines: &[String]) -> std::io::Result<()> {
        let mut lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
        let mut text = String::new();
        if self.term.is_term() {
            let (height, width) = self.term.size();
            lines = lines.iter().flat_map(|line| self.fitted(line, width.into())).collect();
            lines.truncate(usize::from(height).saturating_sub(1));
            if self.lines > 0 {
                text += &format!("\x1b[{}A\r\x1b[J", self.lines);
            }
        } else if self.lines > 0 {
            text.push('\n');
        }
        self.lines = lines.len();
        text += &lines.join("\n");
        text.push('\n');
        self.term.write_all(text.as_bytes())?;
        self.term.flush()
    }

    fn fitted(&self, line: &str, width: usize) -> Vec<String> {
        let lines = wrapped(line, width);
        match style(line).filter(|_| self.has_colour) {
            Some(style) => {
                let style = style.force_styling(true);
                lines.into_iter().map(|line| style.apply_to(line).to_string()).collect()
            }
            None => lines,
        }
    }
}

/// How serious a line is, by its first word, which is ours.
fn style(line: &str) -> Option<Style> {
    let is_title = line.starts_with("waha-ingest: ");
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if is_title && begins(&["waha-ingest: balanced"]) {
        return Some(Style::new().green().bold());
    }
    if begins(&[
        "waha-ingest: NOT",
        "waha-ingest: away",
        "away:",
        "can't count",
        "refused:",
        "failed:",
        "trouble:",
    ]) {
        return Some(Style::new().red().bold());
    }
    let odd = [
        "silent:",
        "webhook:",
        "not known:",
        "not seen:",
        "clock:",
        "process:",
        "broker:",
        "no worker",
        "dead letters",
    ];
    if is_title || begins(&odd) {
        return Some(Style::new().yellow());
    }
    None
}

/// Broken between words; a word that is too long is cut.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    if measure_text_width(line) <= width {
        return vec![line.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        if last.trim().is_empty() {
            last.push_str(word);
        } else if measure_text_width(last) + 1 + measure_text_width(word) <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(format!("{INDENT}{word}"));
        }
    }
    lines.iter().map(|line| console::truncate_str(line, width, "…").into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_between_words_and_keeps_all_of_them() {
        let line = "refused: 3 × 401, last from 10.0.0.7: compare WHATSAPP_HOOK_HMAC_KEY";
        let lines = wrapped(line, 30);
        assert!(
            lines.len() > 2 && lines.iter().all(|it| measure_text_width(it) <= 30),
            "{lines:#?}"
        );
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines.join(" ")), words(line));
        assert_eq!(wrapped("short", 30), ["short"]);
        assert_eq!(wrapped(&"x".repeat(40), 30)[0].chars().count(), 30);
    }

    #[test]
    fn the_first_word_says_how_serious_it_is() {
        let coloured = |line: &str| style(line).is_some();
        assert!(
            ["waha-ingest: balanced · q", "away: queue: x", "failed: a/b"]
                .into_iter()
                .all(coloured)
        );
        assert!(!["accepted  3", "messages  0", "up: host 1"].into_iter().any(coloured));
    }
}

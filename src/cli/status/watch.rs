//! `status --watch`: the same counts again and again, in place on a terminal, else one after the other.
//!
//! Invariant: it goes on while queue or database are away, and counts no more often than a quarter of the
//! time, because counting costs the database.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use console::Term;

use super::ending::{Keyboard, end_when_asked};
use super::report::{Report, StatusSources};
use super::view::View;

use crate::cli::output::{errln, escaped_json, plain};

/// How much longer than a count the pause after it is at least.
const PAUSE_FACTOR: u32 = 3;

/// Shows until it is asked to end, or until nobody reads the output any more.
pub(super) async fn watch(
    sight: &StatusSources,
    every: Duration,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    let keyboard = Keyboard::open();
    let mut view = View::new(every, if keyboard.is_some() { "q" } else { "Ctrl-C" });
    end_when_asked(keyboard)?;
    let mut screen = Screen { term: Term::stdout(), is_json, lines: 0 };
    loop {
        let begun = Instant::now();
        let counted = sight.report_moving().await;
        if screen.show(&mut view, counted).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        let pause = every.saturating_sub(begun.elapsed()).max(begun.elapsed() * PAUSE_FACTOR);
        tokio::time::sleep(pause).await;
    }
}

/// Where the view goes.
struct Screen {
    term: Term,
    is_json: bool,
    /// Lines of the last view, which the next one replaces.
    lines: usize,
}

impl Screen {
    fn show(&mut self, view: &mut View, counted: anyhow::Result<Report>) -> std::io::Result<()> {
        match (self.is_json, counted) {
            (true, Ok(report)) => {
                self.term.write_line(&escaped_json(&serde_json::to_string(&report)?))
            }
            (true, Err(error)) => {
                errln!("error: {error:#}");
                Ok(())
            }
            (false, counted) => self.draw(view.lines(counted)),
        }
    }

    /// In one write, so that nothing flickers. A line that is too long would wrap and be counted wrong,
    /// and what has scrolled off the top can't be replaced: both are cut.
    fn draw(&mut self, mut lines: Vec<String>) -> std::io::Result<()> {
        for line in &mut lines {
            *line = plain(line);
        }
        let mut text = String::new();
        if self.term.is_term() {
            let (height, width) = self.term.size();
            lines.truncate(usize::from(height).saturating_sub(1));
            if self.lines > 0 {
                text += &format!("\x1b[{}A\r\x1b[J", self.lines);
            }
            for line in &mut lines {
                *line = console::truncate_str(line, usize::from(width), "…").into_owned();
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
}

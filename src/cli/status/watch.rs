//! `status --watch`: the same counts again and again.
//!
//! Invariant: it goes on while queue or database are away, and counts no more often than a quarter of the
//! time, because counting costs the database.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::ending::{Keyboard, end_when_asked};
use super::screen::Screen;
use super::sources::StatusSources;
use super::view::View;

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
    let mut screen = Screen::open(is_json);
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

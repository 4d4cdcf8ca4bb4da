//! The search's part of `check`: whether the words of messages are there if they are configured.

use super::line::{CheckLine, Verdict};
use crate::cli::search::{problem, words};
use crate::store::Store;
use crate::store::operations::search::SearchState;

/// A line if it is switched on or configured; a database that can't be read has a line of its own.
pub(super) async fn check(store: &Store, is_configured: bool) -> Option<CheckLine> {
    let status = store.search_status().await.ok()?;
    if status.state == SearchState::Off && !is_configured {
        return None;
    }
    if let Some(problem) = problem(&status, is_configured) {
        return Some(CheckLine::new(Verdict::Failed, "search", problem));
    }
    Some(CheckLine::of("search", words(store, &status).await))
}

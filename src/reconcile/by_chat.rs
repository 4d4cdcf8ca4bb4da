//! A window chat by chat, for the browser engines, which can't list the messages of all chats.
//!
//! WEBJS walks back from the newest message until it has as many as it was asked for that pass the filter; it does
//! not listen to the order. So a window that needs more than one page is halved until it needs one. WPP filters what
//! it has fetched, so an old window would be empty: it is asked without a filter, back from the newest, until what
//! comes is older than the window. One request at a time: both work inside one page of a browser.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::findings::Findings;
use super::problem::ReconcileProblem;
use super::run::Reconciliation;
use super::walk::{EMPTY_PAGES, Ids, Listing, OVERLAP_S, UNSTABLE, overlap};
use crate::store::operations::reconciliations::ReconciliationWindow;
use crate::waha_api::WAHA_CHATS_MAX;

/// Rows of one chat, from its newest message back, beyond which it is no list any more.
const ROWS_MAX: usize = 1_000_000;
/// Chats of a session, likewise: WhatsApp's own applications are at their end with some ten thousands.
const CHATS_MAX: usize = 200_000;
/// How often the beginning of the list of chats is read again, because something was written meanwhile.
const CHAT_ROUNDS_MAX: u32 = 5;

impl Reconciliation<'_> {
    /// Walks a window chat by chat. Returns how many messages it had.
    pub(super) async fn walk_chats(
        &mut self,
        window: ReconciliationWindow,
        findings: &mut Findings,
    ) -> Result<usize, ReconcileProblem> {
        let mut messages = 0;
        for chat in self.active_chats(window.from.timestamp() - OVERLAP_S).await? {
            let mut seen = Ids::new();
            if self.filters_late() {
                self.walk_back(&chat, window, &mut seen, findings).await?;
            } else {
                self.walk_halves(&chat, window, &mut seen, findings).await?;
            }
            messages += seen.len();
        }
        Ok(messages)
    }

    /// Chats in which anything was written since. A chat in which something is written while the list is read
    /// moves to its beginning, past the page that is read: the beginning is read again until it has no news.
    async fn active_chats(&mut self, since_s: i64) -> Result<BTreeSet<String>, ReconcileProblem> {
        let mut chats = BTreeSet::new();
        self.read_chats(since_s, &mut chats).await?;
        for _ in 0..CHAT_ROUNDS_MAX {
            if !self.read_chats(since_s, &mut chats).await? {
                break;
            }
        }
        Ok(chats)
    }

    /// Reads chats until they are older, or known all along a page after the first. Returns whether there was a new
    /// one.
    async fn read_chats(
        &mut self,
        since_s: i64,
        chats: &mut BTreeSet<String>,
    ) -> Result<bool, ReconcileProblem> {
        let is_first_time = chats.is_empty();
        let (mut offset, mut empty, mut is_news) = (0, 0, false);
        while empty < EMPTY_PAGES {
            if self.stop.is_cancelled() {
                return Err(ReconcileProblem::Interrupted);
            }
            self.counts.requests += 1;
            let page = self.api.chats(&self.owner.session, offset).await?;
            offset += WAHA_CHATS_MAX;
            let is_older = page.iter().any(|it| it.active_s.is_some_and(|at| at < since_s));
            let active = page.into_iter().filter(|it| it.active_s.is_some_and(|at| at >= since_s));
            let before = chats.len();
            chats.extend(active.map(|chat| chat.id));
            is_news |= chats.len() > before;
            empty = if chats.len() > before { 0 } else { empty + 1 };
            if chats.len() > CHATS_MAX {
                return Err(ReconcileProblem::Endless);
            }
            if is_older || (!is_first_time && chats.len() == before) {
                break;
            }
        }
        Ok(is_news)
    }

    /// Walks a window of a chat, in halves if it needs more than a page.
    async fn walk_halves(
        &mut self,
        chat: &str,
        window: ReconciliationWindow,
        seen: &mut Ids,
        findings: &mut Findings,
    ) -> Result<(), ReconcileProblem> {
        let mut windows = vec![window];
        while let Some(ReconciliationWindow { from, until }) = windows.pop() {
            let listing = Listing {
                chat,
                from_s: Some(from.timestamp() - OVERLAP_S),
                until_s: Some(until.timestamp() - 1),
                is_ascending: false,
            };
            let walk = self.walk_pages(listing, seen, findings, ROWS_MAX).await?;
            if seen.len() > ROWS_MAX {
                return Err(ReconcileProblem::Endless);
            }
            if walk.repeats {
                findings.doubt(UNSTABLE);
            }
            let needs_one = walk.ids.len() < self.page_rows;
            let half = TimeDelta::seconds((until - from).num_seconds() / 2);
            if !needs_one && half > TimeDelta::zero() {
                let middle = from + half;
                windows.push(ReconciliationWindow { from, until: middle });
                windows.push(ReconciliationWindow { from: middle, until });
            }
        }
        Ok(())
    }

    /// Walks a chat back from its newest message until it is older than the window.
    async fn walk_back(
        &mut self,
        chat: &str,
        window: ReconciliationWindow,
        seen: &mut Ids,
        findings: &mut Findings,
    ) -> Result<(), ReconcileProblem> {
        let listing = Listing { chat, from_s: None, until_s: None, is_ascending: false };
        let oldest_ms = window.from.timestamp_millis() - OVERLAP_S * 1_000;
        let (mut offset, mut empty) = (0, 0);
        while empty < EMPTY_PAGES {
            let (page, limit) = self.page(listing, offset).await?;
            offset += limit - overlap(limit);
            let found = self.take_page(&page, seen).await?;
            // What only repeats is the end, too.
            let is_news = found.ids.iter().any(|id| !seen.contains(id));
            empty = if is_news { 0 } else { empty + 1 };
            // By the newest: a single row may have a time that says nothing.
            let is_older = found.newest_ms.is_some_and(|at_ms| at_ms < oldest_ms);
            self.note(found, seen, findings).await?;
            if is_older {
                break;
            }
            if seen.len() > ROWS_MAX {
                return Err(ReconcileProblem::Endless);
            }
        }
        Ok(())
    }
}

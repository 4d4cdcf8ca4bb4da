//! A window of all chats, in which nothing slips through (NOWEB and GOWS).
//!
//! Their lists are ordered by the second and by nothing else, and count rows that they leave out. So a page that is
//! short, or empty, is not the end: two empty ones in a row are. And because messages of one second may change places
//! between two requests, each page repeats the end of the one before, and a window is walked in both orders: only if
//! both walks had the same, all was seen.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::problem::ReconcileProblem;
use super::run::Reconciliation;
use crate::store::operations::reconciliations::{ListedMessage, ReconciliationWindow};
use crate::waha_api::{ALL_CHATS, MessagePage, MessageQuery, WahaError};

use super::page::SeenMessage;

/// Empty pages in a row that are the end.
pub(super) const EMPTY_PAGES: u32 = 2;
/// How often a window is walked in both orders before it is believed to be unstable.
const ROUNDS_MAX: u32 = 3;
/// By so much, in seconds, a window begins before the one before has ended.
pub(super) const OVERLAP_S: i64 = 60;
/// By at least so many rows, or this part of it, a page repeats the one before. Both walks could miss the same of two
/// messages of a second that change places at the end of a page.
const OVERLAP_ROWS: usize = 5;
const OVERLAP_PART: usize = 10;
/// Messages of a window whose ids are compared; one that has more is walked in parts, as far as it has any.
const MESSAGES_MAX: usize = 2_000;

/// Messages of a walk, by what they are known by in WAHA's list.
pub(super) type Ids = BTreeSet<(String, String)>;

/// What became of walking a window.
pub(super) enum Walked {
    /// All of it was seen, unless there is a reason to doubt that.
    Whole {
        /// How many messages it had.
        messages: usize,
        /// Why it is not known whether that was all.
        doubt: Option<&'static str>,
    },
    /// It has too many: it is to be walked in parts.
    TooMany,
}

/// By how many rows a page of so many repeats the one before; by half of them at most, so that there is an end.
pub(super) fn overlap(limit: usize) -> usize {
    (limit / OVERLAP_PART).max(OVERLAP_ROWS).min(limit / 2)
}

/// Which rows of which list.
#[derive(Clone, Copy)]
pub(super) struct Listing<'a> {
    pub(super) chat: &'a str,
    pub(super) from_s: Option<i64>,
    pub(super) until_s: Option<i64>,
    pub(super) is_ascending: bool,
}

impl Reconciliation<'_> {
    /// Walks a window in both orders until both had the same.
    pub(super) async fn walk_all(
        &mut self,
        window: ReconciliationWindow,
        findings: &mut Findings,
        may_split: bool,
    ) -> Result<Walked, ReconcileProblem> {
        let mut seen = Ids::new();
        for _ in 0..ROUNDS_MAX {
            let mut walks = [Ids::new(), Ids::new()];
            for (walk, is_ascending) in walks.iter_mut().zip([true, false]) {
                let listing = Listing {
                    chat: ALL_CHATS,
                    from_s: Some(window.from.timestamp() - OVERLAP_S),
                    until_s: Some(window.until.timestamp() - 1),
                    is_ascending,
                };
                let most = if may_split { MESSAGES_MAX } else { usize::MAX };
                let Some(ids) = self.walk_pages(listing, &mut seen, findings, most).await? else {
                    return Ok(Walked::TooMany);
                };
                *walk = ids;
            }
            let [ascending, descending] = walks;
            if ascending == descending {
                return Ok(Walked::Whole { messages: seen.len(), doubt: None });
            }
        }
        Ok(Walked::Whole { messages: seen.len(), doubt: Some("list_unstable") })
    }

    /// Walks a list to its end; none if there is more than `most`.
    pub(super) async fn walk_pages(
        &mut self,
        listing: Listing<'_>,
        seen: &mut Ids,
        findings: &mut Findings,
        most: usize,
    ) -> Result<Option<Ids>, ReconcileProblem> {
        let mut ids = Ids::new();
        let (mut offset, mut empty) = (0, 0);
        while empty < EMPTY_PAGES {
            let (page, limit) = self.page(listing, offset).await?;
            offset += limit - overlap(limit);
            let found = self.take_page(&page, seen).await?;
            empty = if found.ids.is_empty() { empty + 1 } else { 0 };
            ids.extend(found.ids.iter().cloned());
            seen.extend(found.ids);
            self.find(findings, found.new).await?;
            if ids.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(ids))
    }

    /// A page, of fewer rows if what it has is too long; and of how many it is.
    pub(super) async fn page(
        &mut self,
        listing: Listing<'_>,
        offset: usize,
    ) -> Result<(MessagePage, usize), ReconcileProblem> {
        let Listing { chat, from_s, until_s, is_ascending } = listing;
        loop {
            if self.stop.is_cancelled() {
                return Err(ReconcileProblem::Interrupted);
            }
            let limit = self.page_rows;
            let session = &self.owner.session;
            let query =
                MessageQuery { session, chat, from_s, until_s, is_ascending, offset, limit };
            self.counts.requests += 1;
            match self.api.messages(&query).await {
                Err(WahaError::TooLong) if limit > 1 => self.page_rows = (limit / 5).max(1),
                page => return Ok((page?, limit)),
            }
        }
    }

    /// Adds to what was found: where the messages of a page are here, now that what was missing is written.
    pub(super) async fn find(
        &self,
        findings: &mut Findings,
        new: Vec<SeenMessage>,
    ) -> Result<(), ReconcileProblem> {
        let listed: Vec<ListedMessage> = new.iter().map(|it| it.message.clone()).collect();
        let present = self.store.presence(self.session_id, &listed).await?;
        for (seen, present) in new.iter().zip(present) {
            findings.list(seen.at, present.map(|row| row.id));
        }
        Ok(())
    }
}

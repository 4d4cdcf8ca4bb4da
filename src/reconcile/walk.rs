//! A window of all chats, in which nothing slips through (NOWEB and GOWS).
//!
//! Their lists are ordered by the second and by nothing else, and count rows that they leave out. So a page that is
//! short, or empty, is not the end: two empty ones in a row are. And because messages of one second may change places
//! between two requests, each page repeats the end of the one before, and a window is walked in both orders: only if
//! both walks had the same, all was seen.
//!
//! What answers may be no honest list: a cache that knows no offset gives the same page for ever, something else gives
//! rows without end. Pages that bring nothing new are the end, and a walk has a bound.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::problem::ReconcileProblem;
use super::run::Reconciliation;
use crate::store::operations::reconciliations::{ListedMessage, ReconciliationWindow};
use crate::waha_api::{ALL_CHATS, MessagePage, MessageQuery, Patience, WahaError};

use super::page::{PageSeen, SeenMessage};
use super::row::RowId;

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

/// Rows of the shortest window of all chats, or of a chat, beyond which it is no list any more: an hour of one account
/// has a tenth of that.
const ROWS_MAX: usize = 100_000;
/// Why nobody knows whether all was listed.
pub(super) const UNSTABLE: &str = "list_unstable";

/// Rows of a walk.
pub(super) type Ids = BTreeSet<RowId>;

/// What became of walking a list.
pub(super) struct Walk {
    pub(super) ids: Ids,
    /// Whether a page only repeated: then what comes behind it was never seen.
    pub(super) repeats: bool,
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
    /// Walks a window in both orders until both had the same. Returns how many messages it had; none if it has too
    /// many, and is to be walked in parts.
    pub(super) async fn walk_all(
        &mut self,
        window: ReconciliationWindow,
        findings: &mut Findings,
        may_split: bool,
    ) -> Result<Option<usize>, ReconcileProblem> {
        let mut seen = Ids::new();
        for _ in 0..ROUNDS_MAX {
            let mut walks = Vec::with_capacity(2);
            for is_ascending in [true, false] {
                let listing = Listing {
                    chat: ALL_CHATS,
                    from_s: Some(window.from.timestamp() - OVERLAP_S),
                    until_s: Some(window.until.timestamp() - 1),
                    is_ascending,
                };
                let most = if may_split { MESSAGES_MAX } else { ROWS_MAX };
                let walk = self.walk_pages(listing, &mut seen, findings, most).await?;
                if walk.ids.len() > most {
                    return if may_split { Ok(None) } else { Err(ReconcileProblem::Endless) };
                }
                walks.push(walk);
            }
            if walks.iter().all(|walk| !walk.repeats) && walks[0].ids == walks[1].ids {
                return Ok(Some(seen.len()));
            }
        }
        findings.doubt(UNSTABLE);
        Ok(Some(seen.len()))
    }

    /// Walks a list to its end, or until it has more than `most`.
    pub(super) async fn walk_pages(
        &mut self,
        listing: Listing<'_>,
        seen: &mut Ids,
        findings: &mut Findings,
        most: usize,
    ) -> Result<Walk, ReconcileProblem> {
        let mut walk = Walk { ids: Ids::new(), repeats: false };
        let (mut offset, mut empty) = (0, 0);
        while empty < EMPTY_PAGES && walk.ids.len() <= most {
            let (page, limit) = self.page(listing, offset).await?;
            offset += limit - overlap(limit);
            let found = self.take_page(&page, seen).await?;
            let is_news = found.ids.iter().any(|id| !walk.ids.contains(id));
            // The end of the page before is on it again.
            walk.repeats |= !is_news && found.ids.len() > overlap(limit);
            empty = if is_news { 0 } else { empty + 1 };
            walk.ids.extend(found.ids.iter().copied());
            self.note(found, seen, findings).await?;
        }
        Ok(walk)
    }

    /// Adds what a page had to what was seen and found.
    pub(super) async fn note(
        &self,
        page: PageSeen,
        seen: &mut Ids,
        findings: &mut Findings,
    ) -> Result<(), ReconcileProblem> {
        seen.extend(page.ids);
        page.unreadable_at.into_iter().for_each(|at| findings.list_unreadable(at));
        self.find(findings, page.new).await
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
            match self.api.messages(Patience::Reading, &query).await {
                Err(WahaError::TooLong) if limit > 1 => self.page_rows = (limit / 5).max(1),
                page => return Ok((page?, limit)),
            }
        }
    }

    /// Adds to what was found: where the messages of a page are here, now that what was missing is written.
    async fn find(
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

//! Asks WAHA for what it knows of a session and its people: the account, LIDs, names, groups and their members.
//!
//! Called by `reconciler` for [`ReconciliationKind::People`](crate::store::operations::reconciliations::ReconciliationKind).
//! Done in steps, each page written before the next is asked for; the row's `mark` says where it goes on. What the
//! lists tell is weaker than what webhooks told ([`crate::normalize::listing`]). A step that the engine or release does
//! not know is left out, and told once.

use chrono::{DateTime, Utc};

use super::member_lists::gone;
use super::problem::ReconcileProblem;
use super::run::{ReconcileContext, ReconciliationCounts, WORKING};
use crate::change::{Changes, SessionKey};
use crate::normalize::listing::Listing;
use crate::outage::Outage;
use crate::store::StoreError;
use crate::store::apply::listed::{ListedProgress, ListedWrite};
use crate::store::operations::reconciliations::{ReconciliationFence, ReconciliationTarget};
use crate::waha_api::{PeoplePage, WAHA_CONTACTS_MAX, WAHA_GROUPS_MAX, WAHA_LIDS_MAX, WahaError};
use crate::webhook::hash_texts;

/// Pages of one list that are read: far more than any account has.
const PAGES_MAX: usize = 100;
/// LIDs that may be new since they were counted.
const LIDS_SPARE: usize = 100;
/// Pairs that are written at a time: each may move a chat with all that is in it.
const PAIRS_MAX: usize = 500;
/// People of whom the other id is asked one by one, each time others.
const SINGLES_MAX: usize = 100;
/// Of so many of whom only one id is known.
const UNPAIRED_MAX: u64 = 2_000;
/// Each group is asked for its members in one of so many days: they seldom change without an event, and some engines
/// ask WhatsApp.
pub(super) const GROUP_DAYS: i64 = 7;
/// Requests after which what else is due of the session comes first.
const TURN_REQUESTS: u64 = 200;
/// Groups in a row that can't be read before it is given up.
const FAILURES_MAX: u32 = 10;
/// Tries of what meets an outage or another transaction.
const TRIES_MAX: u32 = 5;
/// Bits of a mark that say where in its step a refresh goes on.
const PLACE_BITS: u32 = 40;
const TABLE: &str = "reconciliations";

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeopleStep {
    /// The session: state, engine, account.
    Session,
    /// Which LID is which phone.
    Lids,
    /// The address book.
    Contacts,
    /// Groups, their subjects and members.
    Groups,
    /// The other id of those of whom one is known.
    Singles,
}

impl PeopleStep {
    const ALL: [Self; 5] = [Self::Session, Self::Lids, Self::Contacts, Self::Groups, Self::Singles];

    /// As told.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Lids => "lids",
            Self::Contacts => "contacts",
            Self::Groups => "groups",
            Self::Singles => "lids one by one",
        }
    }

    /// Where a refresh goes on.
    fn mark(self, place: i64) -> i64 {
        ((self as i64) << PLACE_BITS) | (place & ((1 << PLACE_BITS) - 1))
    }
}

/// What a refresh came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleCounts {
    /// Requests to WAHA.
    pub requests: u64,
    /// Rows that it listed.
    pub listed: u64,
    /// Rows that changed here, or would.
    pub changed: u64,
    /// Groups and people that could not be read.
    pub failed: u64,
    /// What this engine or release does not know.
    pub unsupported: Vec<&'static str>,
}

impl PeopleCounts {
    /// Adds what was counted in another turn.
    pub fn add(&mut self, other: Self) {
        let Self { requests, listed, changed, failed, unsupported } = other;
        self.requests += requests;
        self.listed += listed;
        self.changed += changed;
        self.failed += failed;
        self.unsupported.extend(unsupported);
    }
}

impl From<&PeopleCounts> for ReconciliationCounts {
    fn from(counts: &PeopleCounts) -> Self {
        let PeopleCounts { requests, listed, changed, failed, .. } = counts;
        let (requests, listed, missing, unreadable) = (*requests, *listed, *changed, *failed);
        Self { requests, listed, missing, unreadable, ..Self::default() }
    }
}

/// A refresh on its way.
pub(super) struct PeopleRefresh<'a> {
    context: ReconcileContext<'a>,
    target: &'a ReconciliationTarget,
    /// As whose it writes; none: it only looks.
    fence: Option<ReconciliationFence>,
    me: Option<String>,
    counts: PeopleCounts,
    /// What of the counts is written.
    noted: (u64, u64),
}

impl<'a> PeopleRefresh<'a> {
    /// Does it, from `mark` on; returns what was counted, whatever came of it. Without a fence it only looks.
    pub(super) async fn run(
        context: ReconcileContext<'a>,
        target: &'a ReconciliationTarget,
        fence: Option<ReconciliationFence>,
        mark: i64,
    ) -> (PeopleCounts, Result<(), ReconcileProblem>) {
        let counts = PeopleCounts::default();
        let mut it = Self { context, target, fence, me: None, counts, noted: (0, 0) };
        let ended = it.steps(mark).await;
        (it.counts, ended)
    }

    async fn steps(&mut self, mark: i64) -> Result<(), ReconcileProblem> {
        for step in PeopleStep::ALL {
            let begin = step.mark(0);
            let is_done = mark >= step.mark(-1);
            // Who the account is, is asked each time: the others need it.
            if is_done && step != PeopleStep::Session {
                continue;
            }
            let place = if mark > begin { mark - begin } else { 0 };
            match self.take_step(step, place).await {
                Err(ReconcileProblem::Waha(WahaError::Unsupported))
                    if step != PeopleStep::Session =>
                {
                    self.counts.unsupported.push(step.name());
                    self.write(self.nothing(), step.mark(-1)).await?;
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    async fn take_step(&mut self, step: PeopleStep, place: i64) -> Result<(), ReconcileProblem> {
        match step {
            PeopleStep::Session => self.session(place).await,
            PeopleStep::Lids => self.lids(usize::try_from(place).unwrap_or_default()).await,
            PeopleStep::Contacts => self.contacts(usize::try_from(place).unwrap_or_default()).await,
            PeopleStep::Groups => self.groups(place).await,
            PeopleStep::Singles => self.singles().await,
        }
    }

    /// One that does not work, or keeps nothing, is not asked further: it would ask WhatsApp each time.
    async fn session(&mut self, mark: i64) -> Result<(), ReconcileProblem> {
        self.counts.requests += 1;
        let state = self.context.api.session_state(&self.target.session).await?;
        if state.status != WORKING {
            return Err(WahaError::NotReady.into());
        }
        if state.has_store == Some(false) {
            return Err(ReconcileProblem::StoreOff);
        }
        self.me = state.me;
        let told = self.listing().of_session(&state.status, state.engine.as_deref());
        // One that goes on keeps its place.
        self.write(told, mark.max(PeopleStep::Session.mark(-1))).await
    }

    /// All at once: NOWEB has them in another order each time, so that pages would overlap.
    async fn lids(&mut self, from: usize) -> Result<(), ReconcileProblem> {
        self.counts.requests += 1;
        let count = self.context.api.lid_count(&self.target.session).await?;
        let limit = (count + LIDS_SPARE).min(WAHA_LIDS_MAX);
        let mut offset = from;
        for _ in 0..PAGES_MAX {
            self.request()?;
            let page = self.context.api.lids(&self.target.session, offset, limit).await?;
            let begin = offset;
            offset += limit;
            let is_last = page.is_empty() || offset > count;
            self.counts.listed += page.len() as u64;
            let rows: Vec<&str> = page.rows().collect();
            for part in rows.chunks(PAIRS_MAX) {
                let told = self.listing().of_lids(part.iter().copied());
                self.write(told, PeopleStep::Lids.mark(place(begin, false))).await?;
            }
            self.write(self.nothing(), PeopleStep::Lids.mark(place(offset, is_last))).await?;
            if is_last {
                return Ok(());
            }
        }
        self.write(self.nothing(), PeopleStep::Lids.mark(-1)).await
    }

    /// Until a page is empty: one that is short says nothing.
    async fn contacts(&mut self, from: usize) -> Result<(), ReconcileProblem> {
        let (mut offset, limit) = (from, self.context.page_rows.min(WAHA_CONTACTS_MAX));
        for _ in 0..PAGES_MAX {
            self.request()?;
            let page = self.context.api.contacts(&self.target.session, offset, limit).await?;
            offset += limit;
            let is_last = page.is_empty();
            let told = self.told(&page, Listing::of_contacts);
            self.write(told, PeopleStep::Contacts.mark(place(offset, is_last))).await?;
            if is_last {
                return Ok(());
            }
        }
        self.write(self.nothing(), PeopleStep::Contacts.mark(-1)).await
    }

    /// Lists groups, then asks for the members of those whose turn it is, in the order of a number that their ids
    /// make: so it is known where to go on, whatever groups there are by then.
    async fn groups(&mut self, from: i64) -> Result<(), ReconcileProblem> {
        let (mut groups, limit) = (Vec::new(), self.context.page_rows.min(WAHA_GROUPS_MAX));
        for page in 0..PAGES_MAX {
            self.request()?;
            let page = self.context.api.groups(&self.target.session, page * limit, limit).await?;
            if page.is_empty() {
                break;
            }
            let told = self.told(&page, Listing::of_groups);
            groups.extend(told.chats.keys().map(|chat| chat.chat_id.clone()));
            self.write(told, PeopleStep::Groups.mark(from)).await?;
        }
        let window = self.target.window;
        let mut due: Vec<(i64, String)> =
            groups.into_iter().map(|group| (place_of(&group), group)).collect();
        due.retain(|(place, _)| *place > from && is_due(*place, window.from, window.until));
        due.sort_unstable();
        due.dedup();
        let mut failures = 0;
        for (place, group) in due {
            match self.members(&group, place).await {
                Err(ReconcileProblem::Waha(error)) if is_of_one(&error) => {
                    failures += 1;
                    self.counts.failed += 1;
                    if failures >= FAILURES_MAX {
                        return Err(error.into());
                    }
                }
                ended => {
                    ended?;
                    failures = 0;
                }
            }
        }
        self.write(self.nothing(), PeopleStep::Groups.mark(-1)).await
    }

    async fn members(&mut self, group: &str, place: i64) -> Result<(), ReconcileProblem> {
        self.request()?;
        let listing = self.listing();
        let page = self.context.api.members(&self.target.session, group).await?;
        self.counts.listed += page.len() as u64;
        let Some(chat) = listing.group(group.to_owned()) else { return Ok(()) };
        let (mut told, members) = listing.of_members(&chat, page.rows());
        if page.len() == members.len() && listing.has_me(&members) {
            let here = self.context.store.members_of(self.target.session_id, group).await?;
            let ids = members.iter().flat_map(|it| it.phone.iter().chain([&it.jid]));
            let ids: Vec<&str> = ids.chain(&here).map(String::as_str).collect();
            let known = self.context.store.person_ids(self.target.session_id, &ids).await?;
            for jid in gone(here, &members, &known) {
                listing.tell_gone(&mut told, &chat, jid);
            }
        }
        self.write(told, PeopleStep::Groups.mark(place)).await
    }

    /// The other id of those whom the lists do not have. That it is not known is an answer, too: others have their
    /// turn the next day.
    async fn singles(&mut self) -> Result<(), ReconcileProblem> {
        let session_id = self.target.session_id;
        let mut ids = self.context.store.people_without_pair(session_id, UNPAIRED_MAX).await?;
        let day = self.target.window.until.timestamp().div_euclid(86_400).unsigned_abs();
        if !ids.is_empty() {
            let turn = day.wrapping_mul(SINGLES_MAX as u64) % ids.len() as u64;
            ids.rotate_left(usize::try_from(turn).unwrap_or_default());
        }
        ids.truncate(SINGLES_MAX);
        let mut told = self.nothing();
        for id in ids {
            self.request()?;
            match self.context.api.pair_of(&self.target.session, &id).await {
                // A map that is still cold in a browser, an id that is none there.
                Err(error) if is_of_one(&error) => self.counts.failed += 1,
                page => {
                    let mut pair = self.told(&page?, Listing::of_lids);
                    told.links.append(&mut pair.links);
                }
            }
        }
        self.write(told, PeopleStep::Singles.mark(-1)).await
    }

    /// One more; none is begun once this process stops.
    fn request(&mut self) -> Result<(), ReconcileProblem> {
        if self.context.stop.is_cancelled() {
            return Err(ReconcileProblem::Interrupted);
        }
        if self.fence.is_some() && self.counts.requests >= TURN_REQUESTS {
            return Err(ReconcileProblem::TurnOver);
        }
        self.counts.requests += 1;
        Ok(())
    }

    fn listing(&self) -> Listing {
        let ReconciliationTarget { source, session, .. } = self.target;
        let session = SessionKey { source: source.as_str().into(), name: session.as_str().into() };
        let at_ms = self.context.clock.now().timestamp_millis();
        Listing { session, me: self.me.clone(), at_ms }
    }

    fn nothing(&self) -> Changes {
        let mut nothing = Changes::default();
        nothing.session(&self.listing().session);
        nothing
    }

    fn told<'p>(
        &mut self,
        page: &'p PeoplePage,
        of: impl FnOnce(&Listing, Box<dyn Iterator<Item = &'p str> + Send + 'p>) -> Changes,
    ) -> Changes {
        self.counts.listed += page.len() as u64;
        of(&self.listing(), Box::new(page.rows()))
    }

    /// Writes a page and how far that gets; tries again what an outage or another transaction is to blame for.
    async fn write(&mut self, told: Changes, mark: i64) -> Result<(), ReconcileProblem> {
        let write = match self.fence {
            None => ListedWrite::Dry,
            Some(fence) => ListedWrite::Fenced(ListedProgress {
                fence,
                mark,
                requests: self.counts.requests - self.noted.0,
                listed: self.counts.listed - self.noted.1,
            }),
        };
        let (mut outage, mut tries) = (Outage::new(), 1);
        loop {
            match self.context.store.apply_listed(told.clone(), write).await {
                Ok(changed) => {
                    self.counts.changed += changed;
                    self.noted = (self.counts.requests, self.counts.listed);
                    return Ok(());
                }
                Err(StoreError::Vanished(TABLE)) => return Err(ReconcileProblem::Lost),
                Err(error) if error.class().is_blameless() && tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(outage.next_wait()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether only the one that was asked for can't be told.
fn is_of_one(error: &WahaError) -> bool {
    matches!(error, WahaError::NotFound(_) | WahaError::Failed(_) | WahaError::Forbidden)
}

/// Where a list goes on; -1: not at all.
fn place(offset: usize, is_last: bool) -> i64 {
    if is_last { -1 } else { i64::try_from(offset).unwrap_or(-1) }
}

/// The number of a group, by which those of an account have an order.
fn place_of(group: &str) -> i64 {
    let number = hash_texts([group]) >> (u64::BITS - PLACE_BITS + 1);
    // Above 0, which is before all of them.
    i64::try_from(number).unwrap_or_default().max(1)
}

/// Whether the turn of a group came in this time.
fn is_due(place: i64, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    let day = |at: DateTime<Utc>| at.timestamp().div_euclid(86_400);
    let (first, last) = (day(from) + 1, day(until));
    last - first + 1 >= GROUP_DAYS
        || (first..=last).any(|day| day.rem_euclid(GROUP_DAYS) == place.rem_euclid(GROUP_DAYS))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_group_has_its_turn_once_in_a_week() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        for place in 1..50 {
            let days = (0..7).map(|day| start + TimeDelta::days(day));
            let turns = days.filter(|day| is_due(place, *day, *day + TimeDelta::days(1)));
            assert_eq!(turns.count(), 1, "{place}");
            // All at a command, and what was left out while nobody asked.
            assert!(is_due(place, start, start + TimeDelta::days(GROUP_DAYS)));
            assert!(!is_due(place, start, start + TimeDelta::minutes(1)));
        }
    }

    #[test]
    fn a_step_ends_behind_all_of_its_places() {
        for steps in PeopleStep::ALL.windows(2) {
            let [step, next] = steps else { panic!() };
            let marks = [step.mark(0), step.mark(1), step.mark(place_of("1@g.us")), step.mark(-1)];
            assert!(marks.is_sorted() && marks[3] < next.mark(0));
            assert!(step.mark(place_of("1@g.us")) < step.mark(-1));
        }
    }
}

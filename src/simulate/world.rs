//! The state of a history: its sessions and how many of everything there are. Changed only by
//! the families, read by every payload.

use super::file::{Attached, Files};
use super::message::Content;
use super::people::{Group, PEOPLE_MAX, Person};
use super::seeded_rng::SeededRng;
use super::session::{Age, Session};
use super::{Families, Family, Plan};

/// Everything that is the case at one moment of a history.
pub(crate) struct World {
    pub(crate) seed: u64,
    families: Families,
    files: Option<Files>,
    pub(crate) people: u64,
    groups: u64,
    pub(crate) sessions: Vec<Session>,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = usize::from(plan.sessions.max(1));
        let paired = !plan.families.contains(Family::Session);
        let session = |index| {
            let is_old = plan.old_session && index + 1 == count;
            let age = if is_old { Age::Old } else { plan.age };
            Session::new(index, (plan.engine, age), paired)
        };
        Self {
            seed: plan.seed,
            families: plan.families,
            files: plan.files.clone(),
            people: u64::from(plan.people).clamp(2, PEOPLE_MAX),
            groups: u64::from(plan.groups),
            sessions: (0..count).map(session).collect(),
        }
    }

    /// The file of the message of `turn`, if it has one.
    pub(crate) fn file(&self, turn: u64, content: &Content) -> Option<Attached> {
        let mimetype = content.mimetype()?;
        self.files.as_ref().map(|files| files.attach(self.seed, turn, mimetype))
    }

    pub(crate) const fn on(&self, family: Family) -> bool {
        self.families.contains(family)
    }

    pub(crate) fn any_session(&self, rng: &mut SeededRng) -> usize {
        let index = rng.below(self.sessions.len() as u64);
        usize::try_from(index).expect("an index of a session fits usize")
    }

    /// Somebody; a few people write most of the time.
    pub(crate) fn any_person(&self, rng: &mut SeededRng) -> Person {
        let (one, other) = (rng.below(self.people), rng.below(self.people));
        Person::contact(one.min(other))
    }

    /// Which groups the session is in: every group is in one session.
    pub(crate) fn groups_of(&self, session: usize) -> impl Iterator<Item = Group> + use<> {
        (session as u64..self.groups).step_by(self.sessions.len()).map(Group)
    }

    /// One of the groups the session is in.
    pub(crate) fn any_group(&self, session: usize, rng: &mut SeededRng) -> Option<Group> {
        let first = session as u64;
        let step = self.sessions.len() as u64;
        let count = self.groups.saturating_sub(first).div_ceil(step);
        (count > 0).then(|| Group(first + step * rng.below(count)))
    }
}

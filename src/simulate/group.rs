//! `group.v2.*`, and `group.join` and `group.leave` of old. Called by `turn`.
//!
//! Each session tells one long story: its groups in turn, and in each a guest who joins, becomes
//! admin, stops being admin and leaves; between guests a new name, a join request, and a group
//! that the account visits for a moment. Invariant: nobody is promoted before joining,
//! and nobody who joined twice did not leave between.

mod notice;

use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};

use super::people::{Group, Person};
use super::session::{Age, Engine, Session};
use super::told::{Membership, Told};
use super::world::World;

/// Group events in 1,000 turns.
const SHARE: u64 = 30;

/// Steps of one round of the story.
const STEPS: u64 = 7;

/// Groups that the account only visits are numbered from here.
const VISITED_FROM: u64 = 900_000_000_000;

/// How long a visit lasts.
const VISIT_MS: i64 = 45_000;

/// Something that happens in a group.
#[derive(Clone, Copy)]
enum Change {
    Joined,
    Left,
    Renamed(u64),
    Member { person: Person, action: Action },
    Requested(Person),
}

#[derive(Clone, Copy)]
enum Action {
    Join,
    Promote,
    Demote,
    Leave,
}

/// A change, where and when.
#[derive(Clone, Copy)]
struct Notice {
    group: Group,
    change: Change,
    people: u64,
    at_ms: i64,
}

/// Every other group is joined at the start.
pub(crate) fn start(world: &World, upcoming: &mut Schedule, at_ms: i64) {
    for session in 0..world.sessions.len() {
        for group in world.groups_of(session).filter(|group| group.0 % 2 == 0) {
            let notice = Notice { group, change: Change::Joined, people: world.people, at_ms };
            let id = event_key(u64::MAX - group.0, Purpose::Group, 0);
            add(world, upcoming, session, id, notice);
        }
    }
}

pub(crate) fn schedule(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Group);
    if !rng.per_mille(SHARE) {
        return;
    }
    let session = world.any_session(&mut rng);
    let people = world.people;
    let step = world.sessions[session].group_steps;
    world.sessions[session].group_steps += 1;
    let round = step / STEPS;
    let step = step % STEPS;
    let id = event_key(turn, Purpose::Group, 0);
    if step == STEPS - 1 {
        let number = VISITED_FROM + round * 1_000_000 + session as u64 * 10;
        let visit = |change, at_ms| Notice { group: Group(number), change, people, at_ms };
        add(world, upcoming, session, id, visit(Change::Joined, at_ms));
        let id = event_key(turn, Purpose::Group, 1);
        add(world, upcoming, session, id, visit(Change::Left, at_ms + VISIT_MS));
        return;
    }
    let Some((group, again)) = group_of_round(world, session, round) else { return };
    if let Some(change) = change(group, step, again, people) {
        add(world, upcoming, session, id, Notice { group, change, people, at_ms });
    }
}

/// The session's groups in turn, and how often the group had its turn before.
fn group_of_round(world: &World, session: usize, round: u64) -> Option<(Group, u64)> {
    let groups: Vec<Group> = world.groups_of(session).collect();
    let count = groups.len() as u64;
    let place = usize::try_from(round.checked_rem(count)?).ok()?;
    Some((groups[place], round / count))
}

fn change(group: Group, step: u64, again: u64, people: u64) -> Option<Change> {
    let guest = |action| Some(Change::Member { person: group.guest(again, people)?, action });
    match step {
        0 => guest(Action::Join),
        1 => guest(Action::Promote),
        2 => Some(Change::Renamed(again + 1)),
        3 => guest(Action::Demote),
        4 => guest(Action::Leave),
        _ => group.guest(again + 1, people).map(Change::Requested),
    }
}

fn add(world: &World, upcoming: &mut Schedule, position: usize, id: u64, notice: Notice) {
    let session = &world.sessions[position];
    let Some(event_type) = event_type(session, notice.change) else { return };
    let told = notice.change.told().map_or(Told::Nothing, |told| Told::Group(notice.group, told));
    upcoming.add_told(notice.at_ms + 15, event_type, (position, id), told, move |world| {
        Some(notice::payload(&world.sessions[position], &notice))
    });
}

/// What the session's WAHA calls it; none when it does not tell.
fn event_type(session: &Session, change: Change) -> Option<&'static str> {
    let old = session.is_old();
    match change {
        Change::Joined if old => Some("group.join"),
        Change::Left if old && session.engine == Engine::Webjs => Some("group.leave"),
        _ if old => None,
        Change::Joined => Some("group.v2.join"),
        Change::Left => Some("group.v2.leave"),
        Change::Renamed(_) => Some("group.v2.update"),
        Change::Member { .. } => Some("group.v2.participants"),
        Change::Requested(_) => {
            (session.age == Age::Autumn).then_some("group.v2.participants.join-request")
        }
    }
}

impl Change {
    const fn told(self) -> Option<Membership> {
        Some(match self {
            Self::Joined => Membership::Joined,
            Self::Left => Membership::Left,
            Self::Renamed(times) => Membership::Renamed(times),
            Self::Member { person, action: Action::Leave } => Membership::Gone(person),
            Self::Member { person, action } => Membership::Member(person, action.role()),
            Self::Requested(_) => return None,
        })
    }
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Leave => "leave",
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Self::Join | Self::Demote => "participant",
            Self::Promote => "admin",
            Self::Leave => "left",
        }
    }
}

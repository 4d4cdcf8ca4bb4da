//! Sessions: engine, account, age of the envelope, and the `session.status` events.
//!
//! Invariant: a session keeps its name, engine and account; its push name changes once
//! at most; WORKING never follows WORKING.

use super::json::{Null, Obj, obj};
use super::people::{Form, Group, Person};
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::told::Told;
use super::world::World;

/// WAHA's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// WhatsApp Web in a browser.
    Webjs,
    /// Baileys.
    Noweb,
    /// whatsmeow.
    Gows,
    /// `WPPConnect`, in a browser.
    Wpp,
}

/// What a WAHA knows of a session at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    paired: bool,
    renamed: bool,
}

/// How old the WAHA of a session is, as far as bodies show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Age {
    /// Neither event id nor timestamp, no group v2, no edits, group acks as direct ones; WEBJS and NOWEB.
    #[value(name = "2023.10.12")]
    Old,
    /// Fewer keys in `me`, no join requests.
    #[value(name = "2026.4.1")]
    Spring,
    /// The newest one that is known.
    #[default]
    #[value(name = "2026.8.2")]
    Autumn,
}

impl Age {
    /// WAHA's version.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Old => "2023.10.12",
            Self::Spring => "2026.4.1",
            Self::Autumn => "2026.8.2",
        }
    }
}

/// A WhatsApp account on WAHA.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) index: u64,
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) age: Age,
    pub(crate) account: Person,
    /// Whether `me` is known already.
    pub(crate) paired: bool,
    renamed: bool,
    /// Messages so far.
    messages: u64,
    /// The last three at most, oldest first.
    statuses: Vec<(&'static str, i64)>,
    /// How far `label`, `archive` and `group` are in their stories.
    pub(crate) labels: u64,
    pub(crate) archives: u64,
    pub(crate) group_steps: u64,
}

/// How long after the start of a history all sessions are WORKING.
pub(crate) const STARTUP_MS: i64 = 30_000;

/// After how many messages some sessions change their push name.
const RENAMED_AFTER: u64 = 25;

const STATUSES_MAX: usize = 3;

impl Engine {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Webjs => "WEBJS",
            Self::Noweb => "NOWEB",
            Self::Gows => "GOWS",
            Self::Wpp => "WPP",
        }
    }

    /// Whether the engine runs a browser.
    pub(crate) const fn is_browser(self) -> bool {
        matches!(self, Self::Webjs | Self::Wpp)
    }

    /// The one that is wanted, unless it is younger than the old envelope.
    fn choose(wanted: Option<Self>, position: usize, old: bool) -> Self {
        let is_possible = |wanted: &Self| !old || matches!(wanted, Self::Webjs | Self::Noweb);
        wanted.filter(is_possible).unwrap_or_else(|| Self::of(position, old))
    }

    fn of(index: usize, old: bool) -> Self {
        match (index % 4, old) {
            (0, _) | (3, true) => Self::Webjs,
            // GOWS and WPP are younger than the old envelope.
            (1, _) | (2, true) => Self::Noweb,
            (2, false) => Self::Gows,
            _ => Self::Wpp,
        }
    }
}

impl Session {
    pub(crate) fn new(position: usize, (wanted, age): (Option<Engine>, Age), paired: bool) -> Self {
        let index = position as u64;
        Self {
            index,
            name: session_name(index),
            engine: Engine::choose(wanted, position, age == Age::Old),
            age,
            account: Person::account(index),
            paired,
            renamed: false,
            messages: 0,
            statuses: Vec::new(),
            labels: 0,
            archives: 0,
            group_steps: 0,
        }
    }

    pub(crate) const fn known(&self) -> Known {
        Known { paired: self.paired, renamed: self.renamed }
    }

    /// The same session as it was when this was known of it.
    pub(crate) fn as_known(&self, known: Known) -> Self {
        let mut session = self.clone();
        session.know(known);
        session
    }

    pub(crate) const fn know(&mut self, known: Known) {
        self.paired = known.paired;
        self.renamed = known.renamed;
    }

    pub(crate) fn is_old(&self) -> bool {
        self.age == Age::Old
    }

    pub(crate) fn push_name(&self) -> String {
        let round = if self.renamed { " & Co" } else { "" };
        format!("Desk {}{round}", self.index)
    }

    pub(crate) fn me(&self) -> String {
        self.account.id(Form::Phone)
    }

    /// Whether events show which LID belongs to which phone number.
    pub(crate) fn links_lids(&self) -> bool {
        !self.engine.is_browser() && !self.is_old()
    }

    /// How members are named in `group`.
    pub(crate) fn form_in(&self, group: Group) -> Form {
        if self.is_old() { Form::Phone } else { group.form() }
    }

    /// Counts a message; the push name of every third session changes at one of them.
    pub(crate) fn note_message(&mut self) {
        self.messages += 1;
        self.renamed |= self.index.is_multiple_of(3) && self.messages > RENAMED_AFTER;
    }

    fn note_status(&mut self, status: &'static str, at_ms: i64) {
        // A restart makes a new session object, whose history starts afresh.
        if status == "STOPPED" {
            self.statuses.clear();
        }
        self.statuses.push((status, at_ms));
        let surplus = self.statuses.len().saturating_sub(STATUSES_MAX);
        self.statuses.drain(..surplus);
        self.paired |= status == "WORKING";
    }
}

fn session_name(index: u64) -> String {
    match index % 4 {
        0 => format!("shop-{index}"),
        1 => format!("desk_{index}"),
        2 => format!("{}", 1_000 + index),
        _ => format!("Branch{index}"),
    }
}

/// Brings every session up; done [`STARTUP_MS`] after `start_ms`.
pub(crate) fn start(world: &World, upcoming: &mut Schedule, start_ms: i64) {
    for session in 0..world.sessions.len() {
        let start_ms = start_ms + i64::try_from(session % 1_000).unwrap_or(0);
        // Every other one has to be paired first; the QR code is shown twice.
        let steps: &[_] = if session % 2 == 0 {
            &[
                (0, "STARTING"),
                (1_500, "SCAN_QR_CODE"),
                (21_500, "SCAN_QR_CODE"),
                (26_000, "WORKING"),
            ]
        } else {
            &[(0, "STARTING"), (3_100, "WORKING")]
        };
        schedule(upcoming, u64::MAX - session as u64, session, start_ms, steps);
    }
}

/// Now and then a session loses its connection and finds it again.
pub(crate) fn reconnect(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Status);
    if !rng.per_mille(4) {
        return;
    }
    let session = world.any_session(&mut rng);
    let steps: &[_] = match (world.sessions[session].engine, rng.below(2)) {
        (Engine::Gows, _) => &[(0, "STARTING"), (1_500, "WORKING")],
        (_, 0) => &[(0, "STOPPED"), (300, "STARTING"), (4_400, "WORKING")],
        _ => &[(0, "FAILED"), (5_000, "STARTING"), (9_100, "WORKING")],
    };
    schedule(upcoming, turn, session, at_ms, steps);
}

fn schedule(
    upcoming: &mut Schedule,
    turn: u64,
    session: usize,
    at_ms: i64,
    steps: &[(i64, &'static str)],
) {
    for (count, &(after_ms, status)) in (0..).zip(steps) {
        let at_ms = at_ms + after_ms;
        let id = event_key(turn, Purpose::Status, count);
        let told = Told::Status(status);
        upcoming.add_told(at_ms, "session.status", (session, id), told, move |world| {
            status_payload(&mut world.sessions[session], status, at_ms)
        });
    }
}

/// The payload of `session.status`; none when it does not happen.
pub(crate) fn status_payload(
    session: &mut Session,
    status: &'static str,
    at_ms: i64,
) -> Option<Obj> {
    let last = session.statuses.last().map(|(last, _)| *last);
    if status == "WORKING" && last == Some(status) {
        return None;
    }
    session.note_status(status, at_ms);
    let payload = obj! { "name": &session.name, "status": status };
    Some(match session.age {
        Age::Old => payload,
        Age::Spring => payload.with("statuses", history(session)),
        Age::Autumn => payload.with("statuses", history(session)).with("data", Null),
    })
}

fn history(session: &Session) -> Vec<Obj> {
    let point = |&(status, at_ms): &(&str, i64)| obj! { "status": status, "timestamp": at_ms };
    session.statuses.iter().map(point).collect()
}

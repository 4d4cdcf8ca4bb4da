//! Makes coherent WAHA histories: what a WAHA would send while people talk, made up from a seed.
//!
//! Used by the `simulate` command, which signs and sends them, and by the tests of "any order, any
//! number of times: the same rows". Pure: no clock, no I/O; equal plans give equal bytes. Invariant: whatever an event refers to (a message, a label, a group) has an event of its
//! own in the same history, unless its family is switched off; nothing contradicts itself; and a
//! plan with fewer messages or fewer families gives a subset of the events, so that a failing one
//! can be made small.
//!
//! Reading order: `turn` decides what happens, one file per family gives it its shape, `envelope`
//! closes it, `order` disturbs it.

mod ack;
pub mod api;
mod call;
mod edit;
mod envelope;
mod family;
mod file;
mod group;
mod json;
mod label;
mod message;
mod order;
mod people;
mod poll;
mod presence;
mod rare;
mod reaction;
mod schedule;
mod seeded_rng;
mod session;
mod text;
mod told;
mod turn;
mod world;

pub use self::family::{Families, Family};
pub(crate) use self::file::BYTES_MIN;
pub use self::file::{Files, Storage};
pub use self::order::{Shuffled, shuffled};
use self::schedule::{Due, Schedule};
use self::seeded_rng::mix;
pub use self::session::{Age, Engine};
use self::told::Moment;
use self::world::World;

/// What a history is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Sessions, at least one; their engines are WEBJS, NOWEB, GOWS, WPP in turn.
    pub sessions: u16,
    /// The engine of all sessions instead.
    pub engine: Option<Engine>,
    /// People who write and call, 2 to 7,000,000.
    pub people: u32,
    /// Groups, spread over the sessions.
    pub groups: u16,
    /// WhatsApp messages, over all sessions; each brings three or four webhooks.
    pub messages: u32,
    /// Mean time from one message to the next, in milliseconds.
    pub gap_ms: u32,
    /// What happens besides.
    pub families: Families,
    /// Which WAHA the sessions run on.
    pub age: Age,
    /// Whether the last session runs on a WAHA of 2023, whose envelope has neither id nor
    /// timestamp (and whose engine is WEBJS or NOWEB, the others being younger).
    pub old_session: bool,
    /// When it starts, in Unix milliseconds.
    pub start_ms: i64,
    /// Where the files of messages are. Without it they are named, and nobody has them.
    pub files: Option<Files>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            sessions: 4,
            engine: None,
            people: 200,
            groups: 8,
            messages: 1_000,
            gap_ms: 4_000,
            families: Families::default(),
            age: Age::default(),
            old_session: false,
            start_ms: 1_790_000_000_000,
            files: None,
        }
    }
}

/// One webhook, as WAHA would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `event` of the body.
    pub event_type: &'static str,
    /// `session` of the body.
    pub session: String,
    /// `id` of the body; none in an old envelope. `message` and `message.any` can share it.
    pub webhook_id: Option<String>,
    /// When the event was created, in Unix milliseconds; the value of `X-Webhook-Timestamp`.
    pub at_ms: i64,
    /// The raw body.
    pub body: Vec<u8>,
    /// The value of `X-Webhook-Request-Id`: the same on every repetition, unique in a history.
    pub request_id: String,
}

/// The webhooks of a plan in the order WAHA creates them, made while they are taken.
pub fn history(plan: &Plan) -> impl Iterator<Item = Sent> + Send + use<> {
    moments(plan).map(|moment| moment.sent)
}

/// The same, with what each tells WAHA's own store.
fn moments(plan: &Plan) -> History {
    let world = World::new(plan);
    let mut upcoming = Schedule::default();
    if plan.families.contains(Family::Session) {
        session::start(&world, &mut upcoming, plan.start_ms);
    }
    if plan.families.contains(Family::Group) {
        group::start(&world, &mut upcoming, plan.start_ms + session::STARTUP_MS);
    }
    History {
        world,
        upcoming,
        turns: turn::Turns::new(plan, plan.start_ms + session::STARTUP_MS),
        clock_ms: 0,
    }
}

/// A history on its way.
struct History {
    world: World,
    upcoming: Schedule,
    turns: turn::Turns,
    /// The time part of the last request id, which never repeats.
    clock_ms: i64,
}

impl History {
    /// The next event; takes turns until one is due.
    fn next_due(&mut self) -> Option<Due> {
        loop {
            let until_ms = self.turns.next_ms().unwrap_or(i64::MAX);
            if let Some(due) = self.upcoming.next_until(until_ms) {
                return Some(due);
            }
            self.turns.next_ms()?;
            self.turns.take(&mut self.world, &mut self.upcoming);
        }
    }

    fn send(&mut self, due: Due) -> Option<Moment> {
        let payload = (due.payload)(&mut self.world)?;
        let request_id = self.request_id(due.session, due.at_ms);
        let session = &self.world.sessions[due.session];
        let event_id = envelope::event_id(self.world.seed, due.id, due.at_ms);
        let sent = Sent {
            event_type: due.event_type,
            session: session.name.clone(),
            body: envelope::body(session, due.event_type, &event_id, due.at_ms, &payload),
            webhook_id: (!session.is_old()).then_some(event_id),
            at_ms: due.at_ms,
            request_id,
        };
        Some(Moment { sent, session: due.session, known: session.known(), told: due.told })
    }

    /// Short base 36 like that of WAHA (machine, process, time), 32 hexadecimal digits in old age.
    fn request_id(&mut self, session: usize, at_ms: i64) -> String {
        self.clock_ms = at_ms.max(self.clock_ms + 1);
        let machine = mix(self.world.seed, 36);
        if self.world.sessions[session].is_old() {
            return format!("{machine:016x}{:016x}", self.clock_ms);
        }
        format!("{}{}", base36(machine % 1_679_616), base36(self.clock_ms.unsigned_abs()))
    }
}

impl Iterator for History {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        loop {
            let due = self.next_due()?;
            if let Some(moment) = self.send(due) {
                return Some(moment);
            }
        }
    }
}

fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        let digit = usize::try_from(number % 36).expect("a digit fits usize");
        digits.push(char::from(DIGITS[digit]));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests;

//! `call.received`, `call.accepted`, `call.rejected`. Called by `turn`.
//!
//! Invariant: a call is received first and then ends one way at most.

use std::sync::Arc;

use super::json::{Null, Obj, obj};
use super::message::rfc3339;
use super::people::{Form, Group, Person};
use super::rare;
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Engine, Session};
use super::world::World;

struct Call {
    id: String,
    from: Person,
    form: Form,
    video: bool,
    group: Option<Group>,
    /// Nobody picked up: GOWS calls that rejected too, and says why.
    missed: bool,
    /// Milliseconds of its times that NOWEB and GOWS show at times.
    fraction: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Received,
    Accepted,
    Rejected,
}

/// Calls in 1,000 turns.
const SHARE: u64 = 50;

pub(crate) fn schedule(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Call);
    if !rng.per_mille(SHARE) {
        return;
    }
    let session = world.any_session(&mut rng);
    let call = Arc::new(ring(world, session, &mut rng));
    if call.group.is_none() {
        let caller = (session, call.from, call.form);
        rare::call_entry(world, upcoming, caller, (turn, &call.id, at_ms), call.video);
    }
    for (count, (after_ms, state)) in (0..).zip(course(&world.sessions[session], &mut rng)) {
        let call = Arc::clone(&call);
        let at_ms = at_ms + after_ms;
        let id = event_key(turn, Purpose::Call, count);
        // WAHA holds a rejection back, in case another device answers.
        let held_ms = if state == State::Rejected { 1_040 } else { 40 };
        upcoming.add(at_ms + held_ms, state.event_type(), session, id, move |world| {
            Some(payload(&world.sessions[session], &call, state, at_ms))
        });
    }
}

fn ring(world: &World, session: usize, rng: &mut SeededRng) -> Call {
    let linked = world.sessions[session].links_lids();
    let grouped = rng.per_mille(60);
    let group = world.any_group(session, rng).filter(|_| grouped);
    Call {
        id: rng.hex(32),
        from: world.any_person(rng),
        form: if linked && rng.per_mille(500) { Form::Lid } else { Form::Phone },
        video: rng.per_mille(250),
        group,
        fraction: rng.per_mille(300),
        missed: rng.per_mille(400),
    }
}

/// What happens to a call, and after how many milliseconds.
fn course(session: &Session, rng: &mut SeededRng) -> Vec<(i64, State)> {
    let mut course = vec![(0, State::Received)];
    // Offer and offer notice, or simply twice.
    if rng.per_mille(200) {
        course.push((rng.ms(30, 900), State::Received));
    }
    let (answered, declined) = (rng.per_mille(500), rng.per_mille(700));
    let end_ms = rng.ms(2_000, 30_000);
    match session.engine {
        Engine::Noweb | Engine::Gows if answered => course.push((end_ms, State::Accepted)),
        Engine::Noweb | Engine::Gows | Engine::Webjs if declined => {
            course.push((end_ms, State::Rejected));
        }
        Engine::Noweb | Engine::Gows | Engine::Webjs | Engine::Wpp => {}
    }
    course
}

impl State {
    const fn event_type(self) -> &'static str {
        match self {
            Self::Received => "call.received",
            Self::Accepted => "call.accepted",
            Self::Rejected => "call.rejected",
        }
    }

    /// The word for it in the engines' own fields.
    const fn tag(self) -> &'static str {
        match self {
            Self::Received => "offer",
            Self::Accepted => "accept",
            Self::Rejected => "reject",
        }
    }
}

fn payload(session: &Session, call: &Call, state: State, at_ms: i64) -> Obj {
    let timed = obj! { "id": &call.id, "from": call.from.id(call.form) };
    let timed = if call.fraction && !session.engine.is_browser() {
        // Milliseconds of this century are exact in an f64.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let seconds = at_ms as f64 / 1_000.0;
        timed.with("timestamp", seconds)
    } else {
        timed.with("timestamp", at_ms / 1_000)
    };
    let by_api = session.engine == Engine::Webjs && state == State::Rejected;
    timed.and(&obj! {
        "isVideo": call.video && !by_api, "isGroup": call.group.is_some(),
        "_data": match session.engine {
            Engine::Webjs | Engine::Wpp => browser(call, by_api, at_ms),
            Engine::Noweb => noweb(call, state, at_ms),
            Engine::Gows => gows(call, state, at_ms),
        },
    })
}

fn browser(call: &Call, by_api: bool, at_ms: i64) -> Obj {
    let start = obj! { "id": &call.id, "from": call.from.id(call.form) };
    if by_api {
        return start.and(&obj! { "status": "reject", "api": true });
    }
    start.and(&obj! {
        "timestamp": at_ms / 1_000, "isVideo": call.video, "isGroup": call.group.is_some(),
        "fromMe": false, "canHandleLocally": false, "webClientShouldHandle": false,
        "participants": Vec::<String>::new(),
    })
}

fn noweb(call: &Call, state: State, at_ms: i64) -> Obj {
    let from = call.from.jid(call.form);
    let phone = (call.form == Form::Lid).then(|| call.from.jid(Form::Phone));
    obj! { "chatId": &from, "from": &from }
        .with_some("callerPn", phone)
        .and(&obj! {
            "id": &call.id, "date": rfc3339(at_ms), "offline": false, "status": state.tag(),
            "isVideo": call.video, "isGroup": call.group.is_some(),
        })
        .with_some("groupJid", call.group.map(Group::id))
}

fn gows(call: &Call, state: State, at_ms: i64) -> Obj {
    let from = call.from.jid(call.form);
    let content = (state == State::Received).then(|| {
        let attributes = obj! { "enc": "opus", "rate": "16000" };
        vec![obj! { "Tag": "audio", "Attrs": attributes, "Content": Null }]
    });
    let missed = call.missed && state == State::Rejected;
    let (tag, reason) = if missed { ("terminate", Some("timeout")) } else { (state.tag(), None) };
    obj! {
        "From": &from, "Timestamp": rfc3339(at_ms), "CallCreator": &from,
        "CallCreatorAlt": call.from.jid(call.form.other()), "CallID": &call.id,
        "GroupJID": call.group.map(Group::id).unwrap_or_default(),
        "RemotePlatform": "android", "RemoteVersion": "2.26.12.75",
    }
    .with_some("Reason", reason)
    .with(
        "Data",
        obj! {
            "Tag": tag,
            "Attrs": obj! { "call-id": &call.id, "call-creator": &from }
                .with_some("reason", reason),
            "Content": content,
        },
    )
}

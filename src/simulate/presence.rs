//! What passes by: `presence.update`, `chat.archive`, and event types nobody knows. Called by
//! `turn`.

use super::json::obj;
use super::people::{Form, Person};
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::Engine;
use super::world::World;

/// Events in 1,000 turns.
const PRESENCE_SHARE: u64 = 40;
const ARCHIVE_SHARE: u64 = 15;
const UNKNOWN_SHARE: u64 = 10;

pub(crate) fn schedule(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Presence);
    if !rng.per_mille(PRESENCE_SHARE) {
        return;
    }
    let session = world.any_session(&mut rng);
    let person = world.any_person(&mut rng);
    let chat = person.id(Form::Phone);
    let presence = rng.pick(&["online", "offline", "typing", "recording", "paused"]);
    let seen = (presence == "offline").then_some(at_ms / 1_000 - 4);
    let state = obj! { "participant": &chat, "lastKnownPresence": presence, "lastSeen": seen };
    let payload = obj! { "id": chat, "presences": vec![state] };
    let id = event_key(turn, Purpose::Presence, 0);
    upcoming.add(at_ms + 20, "presence.update", session, id, move |_| Some(payload));
}

/// Archives a chat and takes the next one; every other time back out again.
pub(crate) fn archive(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Archive);
    if !rng.per_mille(ARCHIVE_SHARE) {
        return;
    }
    let position = world.any_session(&mut rng);
    let people = world.people;
    let session = &mut world.sessions[position];
    if session.engine != Engine::Webjs || session.is_old() {
        return;
    }
    let step = session.archives;
    session.archives += 1;
    let chat = Person::contact(step / 3 * 5 % people).id(Form::Phone);
    // In, out, in again.
    let payload = obj! {
        "id": chat, "archived": step % 3 != 1, "timestamp": at_ms / 1_000 - rng.ms(0, 90_000),
    };
    let id = event_key(turn, Purpose::Archive, 0);
    upcoming.add(at_ms + 30, "chat.archive", position, id, move |_| Some(payload));
}

pub(crate) fn unknown(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Unknown);
    if !rng.per_mille(UNKNOWN_SHARE) {
        return;
    }
    let session = world.any_session(&mut rng);
    let event_type = rng.pick(&["future.event", "message.translated", "engine.event"]);
    let payload = obj! { "event": event_type, "data": obj! { "number": rng.below(1_000) } };
    let id = event_key(turn, Purpose::Unknown, 0);
    upcoming.add(at_ms + 10, event_type, session, id, move |_| Some(payload));
}

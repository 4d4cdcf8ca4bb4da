//! `label.upsert`, `label.deleted`, `label.chat.added`, `label.chat.deleted`. Called by `turn`.
//!
//! Invariant: a label exists before a chat gets it, and nothing gets a label that was
//! deleted.

use super::json::{Obj, obj};
use super::people::{Form, Person};
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::Engine;
use super::world::World;

/// Label events in 1,000 turns.
const SHARE: u64 = 20;

const NAMES: &[&str] = &["VIP", "New order", "Paid", "Waiting 🕐", "לקוח"];

/// The story of one label: made, given to two chats, taken from the first, and one in three deleted, the
/// first of all.
const STEPS: u64 = 5;

pub(crate) fn schedule(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Label);
    if !rng.per_mille(SHARE) {
        return;
    }
    let position = world.any_session(&mut rng);
    let people = world.people;
    let session = &mut world.sessions[position];
    if session.engine == Engine::Webjs || session.is_old() {
        return;
    }
    let label = session.labels / STEPS + 1;
    let step = session.labels % STEPS;
    session.labels += 1;
    // WPP tells of chats only.
    let chats_only = session.engine == Engine::Wpp;
    let person = |nth| Person::contact((label * 7 + nth) % people);
    let (event_type, payload) = match step {
        0 if !chats_only => ("label.upsert", shape(label, true)),
        1 => ("label.chat.added", on_chat(label, person(0))),
        2 => ("label.chat.added", on_chat(label, person(1))),
        3 => ("label.chat.deleted", on_chat(label, person(0))),
        4 if label % 3 == 1 && !chats_only => ("label.deleted", shape(label, false)),
        _ => return,
    };
    let id = event_key(turn, Purpose::Label, 0);
    upcoming.add(at_ms + 60, event_type, position, id, move |_| Some(payload));
}

fn shape(label: u64, named: bool) -> Obj {
    let count = NAMES.len() as u64;
    let place = usize::try_from(label % count).expect("a place in an array fits usize");
    let name = if named { format!("{} {label}", NAMES[place]) } else { String::new() };
    let color = label % 20;
    obj! {
        "id": label.to_string(), "name": name, "color": color,
        "colorHex": format!("#{:06x}", 0x00A0_F211 * (color + 1) % 0x0100_0000),
    }
}

/// Every other label is told with its name.
fn on_chat(label: u64, person: Person) -> Obj {
    let whole = (label.is_multiple_of(2)).then(|| shape(label, true));
    obj! { "labelId": label.to_string(), "chatId": person.id(Form::Phone), "label": whole }
}

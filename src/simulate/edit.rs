//! `message.edited` and `message.revoked`. Called by `turn`.
//!
//! Invariant: only the author edits and revokes; edits come after the message and
//! before the revocation, which is the last that happens to a message.

use std::sync::Arc;

use super::json::{Null, Obj, obj};
use super::message::{self, Content, Message, first_ack};
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Engine, Session};
use super::told::Told;
use super::world::World;

/// When a revocation comes, after the message: later than all edits and reactions.
const REVOKED_AFTER_MS: (i64, i64) = (400_000, 900_000);

pub(crate) fn schedule(world: &World, upcoming: &mut Schedule, message: &Arc<Message>) {
    let mut rng = SeededRng::of(world.seed, message.turn, Purpose::Edit);
    for (count, (at_ms, text)) in (0..).zip(&message.fate.edits) {
        edit(upcoming, &mut rng, message, (*at_ms, text.clone()), count);
    }
    if message.fate.revoked {
        let at_ms = message.at_ms + rng.ms(REVOKED_AFTER_MS.0, REVOKED_AFTER_MS.1);
        revoke(upcoming, &mut rng, message, at_ms);
    }
}

fn edit(
    upcoming: &mut Schedule,
    rng: &mut SeededRng,
    message: &Arc<Message>,
    (at_ms, text): (i64, String),
    count: u64,
) {
    let message = Arc::clone(message);
    let chat = message.chat_again(rng);
    let bare_id = format!("3A{}", rng.hex(18));
    let id = event_key(message.turn, Purpose::Edit, count);
    let told = Told::Hidden { chat, at_ms };
    upcoming.add_told(at_ms + 70, "message.edited", (message.session, id), told, move |world| {
        let payload = match world.sessions[message.session].engine {
            Engine::Webjs => webjs_edit(world, &message, at_ms),
            Engine::Wpp => wpp_edit(world, &message, &bare_id, at_ms),
            Engine::Noweb | Engine::Gows => {
                let content = Content::Edit { target: message.bare_id.clone(), text };
                tell(world, &message.action(chat, bare_id, at_ms, content))
            }
        };
        Some(payload.with("editedMessageId", &message.bare_id))
    });
}

/// The message as in its own event.
fn tell(world: &World, message: &Message) -> Obj {
    message::payload(world, message, ack_of(world, message))
}

fn ack_of(world: &World, message: &Message) -> i64 {
    first_ack(world.sessions[message.session].engine, message.from_me)
}

fn webjs_edit(world: &World, message: &Message, at_ms: i64) -> Obj {
    let before = message.as_of(at_ms - 1);
    let after = message.as_of(at_ms);
    let wrap = |raw| {
        obj! {
            "message": raw, "newBody": after.content.text(), "prevBody": before.content.text(),
        }
    };
    message::edited(world, &after, wrap)
}

/// Under the id of the edit or, at times, still under that of the message.
fn wpp_edit(world: &World, message: &Message, bare_id: &str, at_ms: i64) -> Obj {
    let mut edited = message.as_of(at_ms);
    if !bare_id.ends_with(['0', '1', '2', '3', '4']) {
        bare_id.clone_into(&mut edited.bare_id);
    }
    tell(world, &edited)
}

fn revoke(upcoming: &mut Schedule, rng: &mut SeededRng, message: &Arc<Message>, at_ms: i64) {
    let message = Arc::clone(message);
    let chat = message.chat_again(rng);
    let bare_id = format!("3A{}", rng.hex(18));
    let id = event_key(message.turn, Purpose::Edit, u64::MAX);
    let told = Told::Revoked { message: Arc::clone(&message), at_ms };
    upcoming.add_told(at_ms + 70, "message.revoked", (message.session, id), told, move |world| {
        let session = &world.sessions[message.session];
        let content = Content::Revoke { target: message.bare_id.clone() };
        let action = message.action(chat, bare_id, at_ms, content);
        Some(match session.engine {
            Engine::Wpp => wpp_revoke(session, &message, &action),
            Engine::Webjs => webjs_revoke(world, &message, &action),
            Engine::Noweb | Engine::Gows => obj! {
                "after": tell(world, &action), "before": Null,
                "revokedMessageId": &message.bare_id,
                "_data": message::raw(world, &action, ack_of(world, &action)),
            },
        })
    });
}

/// `before` has the id of the revocation, as WAHA has it.
fn webjs_revoke(world: &World, message: &Message, action: &Message) -> Obj {
    let mut before = message.as_of(action.at_ms);
    before.bare_id.clone_from(&action.bare_id);
    obj! {
        "after": tell(world, action), "before": tell(world, &before),
        "revokedMessageId": &message.bare_id,
    }
}

fn wpp_revoke(session: &Session, message: &Message, action: &Message) -> Obj {
    let head = action.head(session);
    obj! {
        "revokedMessageId": &message.bare_id, "before": wpp_key(message),
        "after": wpp_key(action), "_data": obj! {
            "author": &head.participant, "from": &head.from, "to": &head.to, "id": &head.id,
            "refId": message.head(session).id,
        },
    }
}

fn wpp_key(message: &Message) -> Obj {
    let member = message.chat.is_group().then(|| message.author.jid(message.chat.form()));
    obj! { "fromMe": message.from_me, "id": &message.bare_id, "remoteJid": message.chat.jid() }
        .with_some("participant", member)
}

//! `message.ack` and `message.ack.group`: how far a message came. Called by `turn`.
//!
//! Invariant: acks of one message and one reader only rise, and always name a message
//! of this history. (Whether they arrive in that order is another matter: see `order`.)

use std::sync::Arc;

use super::json::{Null, Obj, obj};
use super::message::{self, Chat, Content, Message, ack_name, rfc3339};
use super::people::Person;
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Engine, Session};
use super::told::Told;
use super::world::World;

const SERVER: i64 = 1;
const DEVICE: i64 = 2;
const READ: i64 = 3;
const PLAYED: i64 = 4;

/// One step of one reader.
#[derive(Clone, Copy)]
struct Step {
    chat: Chat,
    reader: Person,
    ack: i64,
    at_ms: i64,
}

pub(crate) fn schedule(world: &World, upcoming: &mut Schedule, message: &Arc<Message>) {
    let mut rng = SeededRng::of(world.seed, message.turn, Purpose::Ack);
    let session = &world.sessions[message.session];
    let steps = match message.chat {
        Chat::Direct(person, _) if message.from_me => direct(message, person, &mut rng),
        Chat::Direct(..) => read_on_the_phone(session, message, &mut rng),
        Chat::Group(group, _) if message.from_me => {
            members(session, message, &group.members(world.people), &mut rng)
        }
        Chat::Group(..) | Chat::Channel(_) => Vec::new(),
    };
    let grouped = message.chat.is_group() && !session.is_old();
    let event_type = if grouped { "message.ack.group" } else { "message.ack" };
    for (count, step) in (0..).zip(steps) {
        let id = event_key(message.turn, Purpose::Ack, count);
        let message = Arc::clone(message);
        let told = if message.from_me {
            Told::Acked { message: Arc::clone(&message), ack: step.ack }
        } else {
            Told::Nothing
        };
        upcoming.add_told(step.at_ms, event_type, (message.session, id), told, move |world| {
            Some(payload(world, &message, step))
        });
    }
}

fn direct(message: &Message, reader: Person, rng: &mut SeededRng) -> Vec<Step> {
    let mut at_ms = message.at_ms + rng.ms(200, 1_500);
    let mut steps = Vec::new();
    let played = if matches!(message.content, Content::Voice { .. }) { 600 } else { 0 };
    for (ack, share) in [(SERVER, 600), (DEVICE, 950), (READ, 750), (PLAYED, played)] {
        if rng.per_mille(share) {
            steps.push(Step { chat: message.chat_again(rng), reader, ack, at_ms });
        }
        at_ms += rng.ms(300, 60_000);
    }
    steps
}

/// GOWS tells when the account reads others' messages on its own phone.
fn read_on_the_phone(session: &Session, message: &Message, rng: &mut SeededRng) -> Vec<Step> {
    if session.engine != Engine::Gows || !rng.per_mille(400) {
        return Vec::new();
    }
    let at_ms = message.at_ms + rng.ms(2_000, 90_000);
    vec![Step { chat: message.chat_again(rng), reader: session.account, ack: READ, at_ms }]
}

fn members(
    session: &Session,
    message: &Message,
    readers: &[Person],
    rng: &mut SeededRng,
) -> Vec<Step> {
    // NOWEB tells that a message reached a member as SERVER.
    let reached = if session.engine == Engine::Noweb { SERVER } else { DEVICE };
    let mut steps = Vec::new();
    for &reader in readers {
        let mut at_ms = message.at_ms + rng.ms(300, 20_000);
        for (ack, share) in [(reached, 900), (READ, 600)] {
            if rng.per_mille(share) {
                steps.push(Step { chat: message.chat, reader, ack, at_ms });
            }
            at_ms += rng.ms(1_000, 90_000);
        }
    }
    steps
}

fn payload(world: &World, message: &Message, step: Step) -> Obj {
    let session = &world.sessions[message.session];
    match session.engine {
        Engine::Webjs if !message.chat.is_group() => {
            message::payload(world, &message.as_of(step.at_ms), step.ack)
        }
        Engine::Webjs => webjs_group(session, message, step),
        Engine::Noweb => noweb(session, message, step),
        Engine::Gows => gows(session, message, step),
        Engine::Wpp => wpp(session, message, step),
    }
}

/// Who acknowledged, in groups.
fn member(step: Step) -> Option<String> {
    step.chat.is_group().then(|| step.reader.id(step.chat.form()))
}

fn webjs_group(session: &Session, message: &Message, step: Step) -> Obj {
    let id = message.head(session).id;
    let group = step.chat.id();
    let kind = if step.ack == READ { "read" } else { "delivery" };
    let seconds = (step.at_ms / 1_000).to_string();
    obj! {
        "id": id, "from": &group, "to": &group, "participant": member(step), "fromMe": true,
        "ack": step.ack, "ackName": ack_name(step.ack), "_data": obj! {
            "tag": "receipt",
            "attrs": obj! { "id": &message.bare_id, "type": kind, "t": seconds },
            "content": Null,
        },
    }
}

fn noweb(session: &Session, message: &Message, step: Step) -> Obj {
    let chat = step.chat.id();
    let mine = format!("_{}", session.me());
    let tail = if step.chat.is_group() { mine.as_str() } else { "" };
    let ack = obj! {
        "id": format!("true_{chat}_{}{tail}", message.bare_id), "from": &chat,
    }
    .with_some("to", step.chat.is_group().then_some(&chat))
    .with_some("participant", member(step))
    .and(&obj! { "fromMe": true, "ack": step.ack, "ackName": ack_name(step.ack) });
    if !step.chat.is_group() {
        return ack;
    }
    let reader = step.reader.jid(step.chat.form());
    let time = if step.ack == READ { "readTimestamp" } else { "receiptTimestamp" };
    ack.with(
        "_data",
        obj! {
            "key": obj! {
                "remoteJid": step.chat.jid(), "id": &message.bare_id, "fromMe": true,
                "participant": &reader,
            },
            "receipt": obj! { "userJid": &reader }.with(time, step.at_ms / 1_000),
        },
    )
}

fn gows(session: &Session, message: &Message, step: Step) -> Obj {
    let chat = step.chat;
    let head = message::head(session, chat, message.author, message.from_me, &message.bare_id);
    let form = chat.form();
    let kind = match step.ack {
        READ => "read",
        PLAYED => "played",
        _ => "",
    };
    let told = message.from_me && (message.linked || chat.is_group());
    let other = if told { step.reader.jid(form.other()) } else { String::new() };
    let sender = if message.from_me { String::new() } else { message.author.jid(form) };
    obj! {
        "id": head.id, "from": head.from, "to": member(step), "participant": member(step),
        "fromMe": message.from_me, "ack": step.ack, "ackName": ack_name(step.ack),
        "_data": obj! {
            "Chat": chat.jid(), "Sender": step.reader.jid(form),
            "IsFromMe": step.reader == session.account, "IsGroup": chat.is_group(),
            "AddressingMode": if chat.is_group() { form.mode() } else { "" }, "SenderAlt": other,
            "RecipientAlt": "", "BroadcastListOwner": "", "BroadcastRecipients": Null,
            "MessageIDs": vec![&message.bare_id], "Timestamp": rfc3339(step.at_ms),
            "Type": kind, "MessageSender": sender,
        },
    }
}

fn wpp(session: &Session, message: &Message, step: Step) -> Obj {
    let head = message.head(session);
    obj! {
        "id": &head.id, "from": &head.from, "to": &head.to, "participant": member(step),
        "fromMe": message.from_me, "ack": step.ack, "ackName": ack_name(step.ack),
        "_data": obj! {
            "id": &head.id, "ack": step.ack, "from": &head.from, "to": &head.to,
            "type": "chat", "t": message.seconds(), "sender": member(step),
        },
    }
}

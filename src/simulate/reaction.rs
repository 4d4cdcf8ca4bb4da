//! `message.reaction`: given, changed, taken back. Called by `turn`.

use std::sync::Arc;

use super::json::{Null, Obj, obj};
use super::message::{self, Chat, Message};
use super::people::Person;
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Engine, Session};
use super::text;
use super::told::Told;
use super::world::World;

struct Reaction {
    chat: Chat,
    by: Person,
    by_me: bool,
    bare_id: String,
    /// Empty when taken back.
    text: &'static str,
    at_ms: i64,
}

pub(crate) fn schedule(world: &World, upcoming: &mut Schedule, message: &Arc<Message>) {
    let mut rng = SeededRng::of(world.seed, message.turn, Purpose::Reaction);
    if message.fate.revoked || !rng.per_mille(120) {
        return;
    }
    let account = world.sessions[message.session].account;
    let by = match message.chat {
        _ if rng.per_mille(250) => account,
        Chat::Direct(person, _) => person,
        Chat::Group(group, _) => rng.pick(&group.members(world.people)),
        Chat::Channel(_) => return,
    };
    let mut at_ms = message.at_ms;
    // Given, then perhaps changed, then perhaps taken back.
    for (count, share) in [(0, 1_000), (1, 200), (2, 150)] {
        at_ms += rng.ms(4_000, 120_000);
        if !rng.per_mille(share) {
            continue;
        }
        let text = if count == 2 { "" } else { text::emoji(&mut rng) };
        let reaction = Reaction {
            chat: message.chat_again(&mut rng),
            by,
            by_me: by == account,
            bare_id: format!("3A{}", rng.hex(18)),
            text,
            at_ms,
        };
        let message = Arc::clone(message);
        let id = event_key(message.turn, Purpose::Reaction, count);
        let told = Told::Hidden { chat: reaction.chat, at_ms };
        upcoming.add_told(at_ms, "message.reaction", (message.session, id), told, move |world| {
            Some(payload(&world.sessions[message.session], &message, &reaction))
        });
    }
}

fn payload(session: &Session, target: &Message, reaction: &Reaction) -> Obj {
    let Reaction { chat, by, by_me, text, at_ms, .. } = *reaction;
    let head = message::head(session, chat, by, by_me, &reaction.bare_id);
    let named = message::head(session, chat, target.author, target.from_me, &target.bare_id);
    let shown = obj! { "text": text, "messageId": &named.id };
    let start = obj! { "id": &head.id };
    match session.engine {
        Engine::Webjs => webjs(start, reaction, &shown),
        Engine::Noweb => start
            .and(&obj! { "timestamp": at_ms / 1_000, "from": head.from, "fromMe": by_me })
            .with_some("source", (!session.is_old()).then_some("app"))
            .with_some("to", head.to)
            .with_some("participant", head.participant)
            .with("reaction", shown),
        Engine::Gows => start.and(&obj! {
            "timestamp": at_ms / 1_000, "from": head.from, "fromMe": by_me, "source": "app",
            "to": head.to, "participant": head.participant, "reaction": shown,
        }),
        Engine::Wpp => start.and(&obj! {
            "timestamp": at_ms / 1_000, "from": head.from, "fromMe": by_me, "source": Null,
            "to": head.to, "participant": head.participant, "reaction": shown,
            "_data": obj! { "id": &head.id, "msgId": named.id, "reactionText": text, "timestamp": at_ms },
        }),
    }
}

/// The sender is `from` even in groups; the time has a fraction.
fn webjs(start: Obj, reaction: &Reaction, shown: &Obj) -> Obj {
    let sender = reaction.by.id(reaction.chat.form());
    // Milliseconds of this century are exact in an f64, and so is their shortest decimal.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let seconds = reaction.at_ms as f64 / 1_000.0;
    start.and(&obj! {
        "from": &sender, "fromMe": reaction.by_me, "participant": &sender,
        "to": reaction.chat.id(), "timestamp": seconds, "reaction": shown,
    })
}

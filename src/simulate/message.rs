//! Messages: what they are, and the `message`, `message.any` and `message.waiting` events.
//!
//! The engines tell the same message very differently; each has a file of its own under
//! `message/`. The other families refer to a [`Message`] and use the same shapes. What must stay
//! true: every telling of one message has the same bare id, author, time and content.

mod content;
mod gows;
mod noweb;
mod parts;
mod special;
mod webjs;
mod wpp;

use std::sync::Arc;

use self::parts::Keys;
use super::file::Attached;
use super::json::{Obj, obj};
use super::people::Person;
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Age, Engine, Session};
use super::told::Told;
use super::world::World;

pub(crate) use self::content::{Chat, Content};
pub(crate) use self::gows::rfc3339;
pub(crate) use self::parts::{Download, MediaTelling, ack_name};
pub(crate) use self::special::Special;
pub(crate) use self::webjs::id_object;

/// What its author will do to a message.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// When it will be edited, and the new text.
    pub(crate) edits: Vec<(i64, String)>,
    /// Whether it will be taken back.
    pub(crate) revoked: bool,
}

/// The message that another one answers.
#[derive(Clone, Debug)]
pub(crate) struct Quote {
    pub(crate) bare_id: String,
    pub(crate) author: Person,
    pub(crate) text: String,
}

/// A WhatsApp message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) turn: u64,
    pub(crate) session: usize,
    pub(crate) chat: Chat,
    pub(crate) author: Person,
    pub(crate) from_me: bool,
    /// Whether its events show both names of the person.
    pub(crate) linked: bool,
    pub(crate) bare_id: String,
    pub(crate) at_ms: i64,
    pub(crate) content: Content,
    pub(crate) quote: Option<Quote>,
    /// Sent through WAHA's own API.
    pub(crate) by_api: bool,
    pub(crate) fate: Fate,
    /// Its file, where the plan says where files are.
    pub(crate) file: Option<Attached>,
}

/// The id of an event about a message and who it names; see section "from, to, participant" of
/// WAHA's documentation for the four dialects.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) participant: Option<String>,
}

impl Message {
    pub(crate) const fn seconds(&self) -> i64 {
        self.at_ms.div_euclid(1_000)
    }

    /// The message as it stands at `at_ms`, with the edits made until then.
    pub(crate) fn as_of(&self, at_ms: i64) -> Self {
        let mut message = self.clone();
        if let Some((_, text)) = self.fate.edits.iter().rev().find(|(edit_ms, _)| *edit_ms <= at_ms)
        {
            message.content = Content::Text(text.clone());
        }
        message
    }

    /// The chat under the name that a later event uses: either, when events show both.
    pub(crate) fn chat_again(&self, rng: &mut SeededRng) -> Chat {
        let other = self.linked && rng.per_mille(300);
        if let (Chat::Direct(person, form), true) = (self.chat, other) {
            return Chat::Direct(person, form.other());
        }
        self.chat
    }

    /// A message of the same chat and author that does something to this one.
    pub(crate) fn action(&self, chat: Chat, bare_id: String, at_ms: i64, content: Content) -> Self {
        Self { chat, bare_id, at_ms, content, quote: None, by_api: false, ..self.clone() }
    }

    pub(crate) fn head(&self, session: &Session) -> Head {
        head(session, self.chat, self.author, self.from_me, &self.bare_id)
    }
}

/// How `session` names an event of `author` in `chat`.
pub(crate) fn head(
    session: &Session,
    chat: Chat,
    author: Person,
    from_me: bool,
    bare_id: &str,
) -> Head {
    let chat_id = chat.id();
    let member = chat.is_group().then(|| author.id(chat.form()));
    let (from, to, participant) = match session.engine {
        Engine::Webjs | Engine::Wpp if from_me => (session.me(), Some(chat_id.clone()), member),
        Engine::Webjs | Engine::Wpp => (chat_id.clone(), Some(session.me()), member),
        Engine::Noweb => {
            let to = chat.is_group().then(|| chat_id.clone());
            // Own group messages show no participant at times.
            let hidden = from_me && bare_id.ends_with(['0', '1', '2', '3']);
            (chat_id.clone(), to, member.filter(|_| !hidden))
        }
        Engine::Gows => (chat_id.clone(), member.clone(), member),
    };
    let tail = participant.as_ref().map(|member| format!("_{member}")).unwrap_or_default();
    Head { id: format!("{from_me}_{chat_id}_{bare_id}{tail}"), from, to, participant }
}

/// The whole message in the words of the session's engine.
pub(crate) fn payload(world: &World, message: &Message, ack: i64) -> Obj {
    let session = &world.sessions[message.session];
    let keys = Keys::of(world.seed, message);
    let media = MediaTelling::AsReceived;
    Shot { session, message, keys, ack: Some(ack), media }.payload()
}

/// The whole message as `session` tells it later on, when it is asked for it.
pub(crate) fn retold(
    seed: u64,
    session: &Session,
    message: &Message,
    ack: Option<i64>,
    media: MediaTelling,
) -> Obj {
    Shot { session, message, keys: Keys::of(seed, message), ack, media }.payload()
}

/// What came of WAHA's download when the message came.
pub(crate) fn download(seed: u64, message: &Message) -> Download {
    Keys::of(seed, message).outcome()
}

/// Folder and name of a message's file: the session and the id, bare or whole.
pub(crate) fn file_name(session: &Session, message: &Message) -> String {
    parts::file_name(session, message)
}

/// The engine's own form of a message, as NOWEB and GOWS repeat it beside a revocation.
pub(crate) fn raw(world: &World, message: &Message, ack: i64) -> Obj {
    let session = &world.sessions[message.session];
    let keys = Keys::of(world.seed, message);
    let shot = Shot { session, message, keys, ack: Some(ack), media: MediaTelling::AsReceived };
    if session.engine == Engine::Gows { gows::data(&shot) } else { noweb::data(&shot) }
}

/// A message edited in WEBJS, whose raw form `wrap` puts into something larger.
pub(crate) fn edited(world: &World, message: &Message, wrap: impl FnOnce(Obj) -> Obj) -> Obj {
    let session = &world.sessions[message.session];
    let keys = Keys::of(world.seed, message);
    // It reached the server before it could be edited.
    let shot = Shot { session, message, keys, ack: Some(1), media: MediaTelling::AsReceived };
    webjs::payload_with(&shot, wrap)
}

/// The ack that a message event itself shows.
pub(crate) const fn first_ack(engine: Engine, from_me: bool) -> i64 {
    match (engine, from_me) {
        (Engine::Webjs, true) => 0,
        (Engine::Webjs | Engine::Wpp, false) | (_, true) => 1,
        (_, false) => 2,
    }
}

/// A message as it is being told.
struct Shot<'a> {
    session: &'a Session,
    message: &'a Message,
    keys: Keys,
    /// None where the engine's store has none.
    ack: Option<i64>,
    media: MediaTelling,
}

impl Shot<'_> {
    fn payload(&self) -> Obj {
        match self.session.engine {
            Engine::Webjs => webjs::payload(self),
            Engine::Noweb => noweb::payload(self),
            Engine::Gows => gows::payload(self),
            Engine::Wpp => wpp::payload(self),
        }
    }

    fn ack_name(&self) -> &'static str {
        self.ack.map_or("UNKNOWN", ack_name)
    }

    fn common_head(&self, head: &Head) -> Obj {
        let message = self.message;
        // `source` is younger than the old envelope.
        let source = if message.by_api { "api" } else { "app" };
        let source = (self.session.age != Age::Old).then_some(source);
        obj! {
            "id": &head.id, "timestamp": message.seconds(), "from": &head.from,
            "fromMe": message.from_me,
        }
        .with_some("source", source)
    }

    fn sender_name(&self) -> String {
        match (self.message.chat, self.message.from_me) {
            (_, true) => self.session.push_name(),
            (Chat::Channel(_), false) => String::new(),
            (Chat::Direct(..) | Chat::Group(..), false) => self.message.author.name(),
        }
    }
}

/// Which of the two event types are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) message: bool,
    pub(crate) any: bool,
}

/// Schedules the events of the message itself.
pub(crate) fn schedule(
    world: &World,
    upcoming: &mut Schedule,
    message: &Arc<Message>,
    wanted: Wanted,
) {
    let mut rng = SeededRng::of(world.seed, message.turn, Purpose::Delivery);
    let engine = world.sessions[message.session].engine;
    let at_ms = message.at_ms + delay_ms(engine, message, &mut rng);
    // Drawn whether needed or not, so that switching one event off leaves the other as it is.
    let waiting = rng.per_mille(20);
    let lag_ms = rng.ms(0, 3);
    if wanted.message && !message.from_me {
        if engine == Engine::Webjs && waiting {
            add(upcoming, message, "message.waiting", message.at_ms + 20, 2);
        }
        add(upcoming, message, "message", at_ms, 0);
    }
    if wanted.any {
        // One object and one id for both in NOWEB and GOWS.
        let (at_ms, count) = if engine.is_browser() { (at_ms + lag_ms, 1) } else { (at_ms, 0) };
        add(upcoming, message, "message.any", at_ms, count);
    }
}

/// From the message's time to its event: media are downloaded first, WPP holds own messages back.
fn delay_ms(engine: Engine, message: &Message, rng: &mut SeededRng) -> i64 {
    let held = if engine == Engine::Wpp && message.from_me { 3_000 } else { 0 };
    let media = message.content.mimetype().map_or(0, |_| rng.ms(200, 9_000));
    held + media + rng.ms(40, 900)
}

fn add(
    upcoming: &mut Schedule,
    message: &Arc<Message>,
    event_type: &'static str,
    at_ms: i64,
    count: u64,
) {
    let id = event_key(message.turn, Purpose::Delivery, count);
    let message = Arc::clone(message);
    let told = match event_type {
        "message.waiting" => Told::Nothing,
        _ => Told::Message(Arc::clone(&message)),
    };
    upcoming.add_told(at_ms, event_type, (message.session, id), told, move |world| {
        let ack = first_ack(world.sessions[message.session].engine, message.from_me);
        Some(if event_type == "message.waiting" {
            webjs::waiting(world, &message)
        } else {
            payload(world, &message, ack)
        })
    });
}

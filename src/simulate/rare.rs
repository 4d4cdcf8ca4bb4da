//! What happens more rarely than texts, pictures and the like: videos and stickers, lists and buttons and
//! their answers, answers to stories, people who come from ads, albums, invitations, notices, what WAHA
//! passes on as a message though it is none, and acks under a name of the chat that nothing links. Called by
//! `turn`.
//!
//! Invariant: messages of a turn here have turns of their own, so that whatever is drawn for a turn stays as
//! it is whether this family is on or off.

use std::sync::Arc;

use super::json::{Obj, obj};
use super::message::{self, Chat, Content, Fate, Message, Quote, Special, Wanted};
use super::people::{Form, Person};
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::Engine;
use super::world::World;
use super::{Family, ack, text};

/// Turns in 1,000 beside which something rare happens.
const SHARE: u64 = 150;
/// Turns of messages here begin above all others.
const TURNS_FROM: u64 = 1 << 48;
/// Most messages of one turn.
const MESSAGES_MAX: u64 = 8;
/// From one message of a story to the next.
const GAP_MS: i64 = 7_000;
/// From the end of a call to its entry in the chat.
const ENTRY_MS: i64 = 40_000;

pub(crate) fn schedule(world: &mut World, upcoming: &mut Schedule, turn: u64, at_ms: i64) {
    let mut rng = SeededRng::of(world.seed, turn, Purpose::Rare);
    if !rng.per_mille(SHARE) {
        return;
    }
    let session = world.any_session(&mut rng);
    let person = world.any_person(&mut rng);
    let mut scene = Scene { world, upcoming, session, person, turn, count: 0, at_ms };
    scene.play(&mut rng);
}

/// Tells the entry that WhatsApp leaves in the caller's chat; `call` is the id of both.
pub(crate) fn call_entry(
    world: &World,
    upcoming: &mut Schedule,
    (session, caller, form): (usize, Person, Form),
    (turn, call, at_ms): (u64, &str, i64),
    video: bool,
) {
    // GOWS and NOWEB have the protocol's form; the others name no call.
    if !world.on(Family::Rare) || world.sessions[session].engine.is_browser() {
        return;
    }
    let mut rng = SeededRng::of(world.seed, turn, Purpose::CallEntry);
    let seconds = rng.per_mille(500).then(|| 5 + rng.below(600));
    let at_ms = at_ms + ENTRY_MS;
    let turn = turn + (TURNS_FROM >> 4);
    let mut scene = Scene { world, upcoming, session, person: caller, turn, count: 0, at_ms };
    let entry = Special::CallEntry { seconds, video };
    let message = scene.direct(form, false, Content::Special(entry), &mut rng);
    scene.tell(Message { bare_id: call.to_owned(), ..message });
}

/// What happens beside one turn, between the account of a session and a person.
struct Scene<'a> {
    world: &'a World,
    upcoming: &'a mut Schedule,
    session: usize,
    person: Person,
    turn: u64,
    /// Messages so far.
    count: u64,
    at_ms: i64,
}

impl Scene<'_> {
    fn play(&mut self, rng: &mut SeededRng) {
        let said = |rng: &mut SeededRng| text::words(rng, 2, 9);
        match rng.below(16) {
            0 => {
                let caption = rng.per_mille(500).then(|| said(rng));
                self.send(Special::Video { caption, seconds: 1 + rng.below(90) }, rng);
            }
            1 => self.send(Special::Sticker { animated: rng.per_mille(300) }, rng),
            2 => self.send(Special::Vanishing(said(rng)), rng),
            3 => self.send(Special::ViewOnce, rng),
            4 => self.offer(Special::List, Special::ListAnswer, rng),
            5 => self.offer(Special::Buttons, Special::ButtonAnswer, rng),
            6 => self.send(Special::Interactive, rng),
            7 => self.answer_story(rng),
            8 => self.send(Special::FromAd(said(rng)), rng),
            9 => self.send_album(rng),
            10 => self.invite(rng),
            11 | 12 => self.give_notice(rng),
            13 | 14 => self.leak(rng),
            _ => self.ack_under_lid(rng),
        }
    }

    /// A message of the person.
    fn send(&mut self, special: Special, rng: &mut SeededRng) {
        let message = self.direct(self.any_form(rng), false, Content::Special(special), rng);
        self.tell(message);
    }

    /// The account offers something, and the person chooses.
    fn offer(&mut self, offered: Special, answer: Special, rng: &mut SeededRng) {
        let form = self.any_form(rng);
        let offered = self.direct(form, true, Content::Special(offered), rng);
        self.tell(offered);
        let answer = self.direct(form, false, Content::Special(answer), rng);
        self.tell(answer);
    }

    fn answer_story(&mut self, rng: &mut SeededRng) {
        let answer = Content::Special(Special::StoryAnswer(text::words(rng, 1, 6)));
        let message = self.direct(self.any_form(rng), false, answer, rng);
        let author = self.world.sessions[self.session].account;
        let quote =
            Quote { bare_id: format!("A5{}", rng.hex(18)), author, text: "Our yard".into() };
        self.tell(Message { quote: Some(quote), ..message });
    }

    fn send_album(&mut self, rng: &mut SeededRng) {
        let form = self.any_form(rng);
        let pictures = 2 + rng.below(3);
        let head = Content::Special(Special::Album { pictures });
        let head = self.direct(form, false, head, rng);
        let album = head.bare_id.clone();
        self.tell(head);
        for _ in 0..pictures {
            let picture = Content::Special(Special::AlbumPicture { album: album.clone() });
            let picture = self.direct(form, false, picture, rng);
            self.tell(picture);
        }
    }

    /// An invitation, which GOWS tells the answers to: the first of two may be unreadable.
    fn invite(&mut self, rng: &mut SeededRng) {
        let form = self.any_form(rng);
        let invitation = self.direct(form, true, Content::Special(Special::Event), rng);
        let target = invitation.bare_id.clone();
        self.tell(invitation);
        if self.world.sessions[self.session].engine != Engine::Gows {
            return;
        }
        for is_readable in [rng.per_mille(500), true] {
            let answer = Special::EventAnswer { target: target.clone() };
            let answer = self.direct(form, false, Content::Special(answer), rng);
            let response = is_readable.then(|| rng.pick(&["GOING", "NOT_GOING", "MAYBE"]));
            self.tell_response(answer, target.clone(), response);
        }
    }

    fn give_notice(&mut self, rng: &mut SeededRng) {
        let engine = self.world.sessions[self.session].engine;
        let form = self.any_form(rng);
        match rng.below(3) {
            // Neither GOWS nor WPP passes WhatsApp's own notices on.
            0 if matches!(engine, Engine::Webjs | Engine::Noweb) => {
                self.send(Special::Notice, rng);
            }
            1 => {
                let said = Content::Text(text::words(rng, 1, 6));
                let said = self.direct(form, false, said, rng);
                let target = said.bare_id.clone();
                self.tell(said);
                let pin = self.direct(form, false, Content::Special(Special::Pin { target }), rng);
                self.tell(pin);
            }
            _ => self.send(Special::VanishingSetting, rng),
        }
    }

    /// A text, and something that acts on it and is passed on undecrypted.
    fn leak(&mut self, rng: &mut SeededRng) {
        let form = self.any_form(rng);
        let said = self.direct(form, false, Content::Text(text::words(rng, 1, 6)), rng);
        let target = said.bare_id.clone();
        self.tell(said);
        let leak = match rng.below(4) {
            0 => Special::LeakedReaction { target },
            1 => Special::LeakedVote { target },
            2 => Special::LeakedKeys,
            _ => Special::LeakedEdit { target },
        };
        let leak = self.direct(form, false, Content::Special(leak), rng);
        self.tell(leak);
    }

    /// Sent to the phone, acknowledged under the LID, and nothing says that both are one person.
    fn ack_under_lid(&mut self, rng: &mut SeededRng) {
        let sent = Content::Text(text::words(rng, 1, 6));
        let sent = Message { linked: false, ..self.direct(Form::Phone, true, sent, rng) };
        let is_old = self.world.sessions[self.session].is_old();
        let form = if is_old { Form::Phone } else { Form::Lid };
        let acked = Message { chat: Chat::Direct(self.person, form), ..sent.clone() };
        self.tell_alone(sent);
        if self.world.on(Family::Ack) {
            ack::schedule(self.world, self.upcoming, &Arc::new(acked));
        }
    }

    fn any_form(&self, rng: &mut SeededRng) -> Form {
        let linked = self.world.sessions[self.session].links_lids();
        if linked && rng.per_mille(450) { Form::Lid } else { Form::Phone }
    }

    /// The next message between the two.
    fn direct(
        &mut self,
        form: Form,
        from_me: bool,
        content: Content,
        rng: &mut SeededRng,
    ) -> Message {
        let session = &self.world.sessions[self.session];
        let number = self.count;
        self.count += 1;
        debug_assert!(number < MESSAGES_MAX, "turns of messages overlap");
        let turn = TURNS_FROM + self.turn * MESSAGES_MAX + number;
        Message {
            turn,
            file: self.world.file(turn, &content),
            session: self.session,
            chat: Chat::Direct(self.person, form),
            author: if from_me { session.account } else { self.person },
            from_me,
            linked: session.links_lids(),
            bare_id: format!("3A{}", rng.hex(18)),
            at_ms: self.at_ms + GAP_MS * i64::try_from(number).unwrap_or_default(),
            content,
            quote: None,
            by_api: false,
            fate: Fate { edits: Vec::new(), revoked: false },
        }
    }

    /// Tells a message, and how far it gets.
    fn tell(&mut self, message: Message) {
        let is_written = match &message.content {
            Content::Special(special) => special.is_written(),
            _ => true,
        };
        let message = self.tell_alone(message);
        if is_written && self.world.on(Family::Ack) {
            ack::schedule(self.world, self.upcoming, &message);
        }
    }

    fn tell_alone(&mut self, message: Message) -> Arc<Message> {
        let message = Arc::new(message);
        let on = |family| self.world.on(family);
        let wanted = Wanted { message: on(Family::Message), any: on(Family::MessageAny) };
        message::schedule(self.world, self.upcoming, &message, wanted);
        message
    }

    /// GOWS tells an answer as a message of who answers, with the invitation from that side.
    fn tell_response(&mut self, answer: Message, target: String, response: Option<&'static str>) {
        let event_type =
            if response.is_some() { "event.response" } else { "event.response.failed" };
        let id = event_key(answer.turn, Purpose::Rare, 0);
        self.upcoming.add(answer.at_ms, event_type, answer.session, id, move |world| {
            let session = &world.sessions[answer.session];
            let account = session.account;
            let invitation = message::head(session, answer.chat, account, false, &target);
            let told = response.map(|response| {
                obj! { "response": response, "timestampMs": answer.at_ms, "extraGuestCount": 0_u64 }
            });
            Some(payload(world, &answer).and(&obj! {
                "eventCreationKey": obj! {
                    "id": invitation.id, "to": "me", "from": invitation.from, "fromMe": false,
                },
                "eventResponse": told,
            }))
        });
    }
}

fn payload(world: &World, answer: &Message) -> Obj {
    message::payload(world, answer, message::first_ack(Engine::Gows, false))
}

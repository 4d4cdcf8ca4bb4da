//! Decides what happens: one message per turn and what goes with it. Called by `History`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::message::{self, Chat, Content, Fate, Message, Quote, Wanted};
use super::people::Form;
use super::schedule::Schedule;
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{self, Engine};
use super::world::World;
use super::{Families, Family, Plan};
use super::{ack, call, edit, group, label, poll, presence, rare, reaction, text};

/// How many of the latest messages can still be answered.
const RECENT_MAX: usize = 64;

/// Schedules what follows from a message.
type Follow = fn(&World, &mut Schedule, &Arc<Message>);

/// Schedules what happens in a turn beside its message.
type Aside = fn(&mut World, &mut Schedule, u64, i64);

/// The turns of a history that are still to come.
pub(crate) struct Turns {
    families: Families,
    gap_ms: i64,
    next: u64,
    left: u64,
    at_ms: i64,
    recent: VecDeque<Arc<Message>>,
}

impl Turns {
    pub(crate) fn new(plan: &Plan, start_ms: i64) -> Self {
        Self {
            families: plan.families,
            gap_ms: i64::from(plan.gap_ms),
            next: 0,
            left: u64::from(plan.messages),
            at_ms: start_ms,
            recent: VecDeque::new(),
        }
    }

    /// When the next turn is.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        (self.left > 0).then_some(self.at_ms)
    }

    pub(crate) fn take(&mut self, world: &mut World, upcoming: &mut Schedule) {
        let mut rng = SeededRng::of(world.seed, self.next, Purpose::Turn);
        let gap_ms = rng.ms(0, 2 * self.gap_ms + 1);
        let message = Arc::new(self.write(world, &mut rng));
        world.sessions[message.session].note_message();
        self.follow(world, upcoming, &message);
        self.sideline(world, upcoming);
        self.remember(message);
        self.next += 1;
        self.left -= 1;
        self.at_ms += gap_ms;
    }

    /// The events of the message.
    fn follow(&self, world: &World, upcoming: &mut Schedule, message: &Arc<Message>) {
        let wanted = Wanted { message: self.on(Family::Message), any: self.on(Family::MessageAny) };
        message::schedule(world, upcoming, message, wanted);
        let families: [(Family, Follow); 4] = [
            (Family::Ack, ack::schedule),
            (Family::Reaction, reaction::schedule),
            (Family::Edit, edit::schedule),
            (Family::Poll, poll::schedule),
        ];
        for (_, schedule) in families.into_iter().filter(|(family, _)| self.on(*family)) {
            schedule(world, upcoming, message);
        }
    }

    /// What happens beside the message.
    fn sideline(&self, world: &mut World, upcoming: &mut Schedule) {
        let families: [(Family, Aside); 8] = [
            (Family::Session, session::reconnect),
            (Family::Call, call::schedule),
            (Family::Group, group::schedule),
            (Family::Label, label::schedule),
            (Family::Presence, presence::schedule),
            (Family::Archive, presence::archive),
            (Family::Rare, rare::schedule),
            (Family::Unknown, presence::unknown),
        ];
        for (_, schedule) in families.into_iter().filter(|(family, _)| self.on(*family)) {
            schedule(world, upcoming, self.next, self.at_ms);
        }
    }

    fn on(&self, family: Family) -> bool {
        self.families.contains(family)
    }

    fn remember(&mut self, message: Arc<Message>) {
        let lasting = !message.fate.revoked && !matches!(message.chat, Chat::Channel(_));
        if !lasting || message.content.text().is_none() {
            return;
        }
        self.recent.push_back(message);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    fn write(&self, world: &World, rng: &mut SeededRng) -> Message {
        let session = world.any_session(rng);
        let (chat, linked) = any_chat(world, session, rng);
        let from_me = rng.per_mille(400) && !matches!(chat, Chat::Channel(_));
        let author = match chat {
            _ if from_me => world.sessions[session].account,
            Chat::Direct(person, _) => person,
            Chat::Group(group, _) => rng.pick(&group.members(world.people)),
            // A channel speaks for itself; nobody is shown.
            Chat::Channel(_) => world.any_person(rng),
        };
        let content = any_content(world, rng);
        let mut fate = any_fate(world, &content, (chat, self.at_ms), rng);
        if !self.on(Family::Edit) || world.sessions[session].is_old() {
            fate.edits.clear();
        }
        Message {
            file: world.file(self.next, &content),
            turn: self.next,
            session,
            chat,
            author,
            from_me,
            linked,
            bare_id: bare_id(from_me, rng),
            at_ms: self.at_ms,
            quote: rng.per_mille(150).then(|| self.quote(session, chat)).flatten(),
            by_api: from_me && rng.per_mille(500),
            fate,
            content,
        }
    }

    /// The latest message of the same chat, if it is recent.
    fn quote(&self, session: usize, chat: Chat) -> Option<Quote> {
        let same = |message: &&Arc<Message>| {
            message.session == session && message.chat == chat && message.content.text().is_some()
        };
        let message = self.recent.iter().rev().find(same)?;
        let text = message.content.text()?.chars().take(200).collect();
        Some(Quote { bare_id: message.bare_id.clone(), author: message.author, text })
    }
}

/// Where the next message goes, and whether its events link the person's two names.
fn any_chat(world: &World, position: usize, rng: &mut SeededRng) -> (Chat, bool) {
    let session = &world.sessions[position];
    let direct = |rng: &mut SeededRng| {
        let person = world.any_person(rng);
        let linked = session.links_lids() && rng.per_mille(850);
        let form = if linked && rng.per_mille(450) { Form::Lid } else { Form::Phone };
        (Chat::Direct(person, form), linked)
    };
    match rng.below(100) {
        0..=1 if session.engine != Engine::Wpp => (Chat::Channel(session.index), false),
        2..=24 => match world.any_group(position, rng) {
            Some(group) => (Chat::Group(group, session.form_in(group)), false),
            None => direct(rng),
        },
        _ => direct(rng),
    }
}

fn any_content(world: &World, rng: &mut SeededRng) -> Content {
    let said = |rng: &mut SeededRng| text::sentence(rng, world.on(Family::OddText));
    match rng.below(100) {
        0..=9 => Content::Image { caption: rng.per_mille(500).then(|| said(rng)) },
        10..=15 => Content::Voice { seconds: 1 + rng.below(120) },
        16..=19 => Content::Document {
            name: format!("invoice-{}.pdf", rng.below(10_000)),
            caption: rng.per_mille(300).then(|| said(rng)),
        },
        20..=21 => any_location(rng),
        22..=23 => Content::Contact(world.any_person(rng)),
        24..=26 => Content::Poll {
            question: text::words(rng, 3, 8),
            options: vec!["Monday", "Tuesday", "Thursday ✅", "never"],
        },
        27..=34 => {
            let url = format!("https://example.com/{}", rng.below(100_000));
            Content::Link { text: format!("{} {url}", said(rng)), url }
        }
        _ => Content::Text(said(rng)),
    }
}

/// Channel posts stay as they are, and only texts are edited.
fn any_fate(
    world: &World,
    content: &Content,
    (chat, at_ms): (Chat, i64),
    rng: &mut SeededRng,
) -> Fate {
    let lasting = matches!(chat, Chat::Channel(_));
    let mut fate = Fate { edits: Vec::new(), revoked: rng.per_mille(30) && !lasting };
    if !rng.per_mille(60) || lasting || !matches!(content, Content::Text(_)) {
        return fate;
    }
    let mut at_ms = at_ms;
    for _ in 0..=rng.below(2) {
        at_ms += rng.ms(10_000, 90_000);
        fate.edits.push((at_ms, text::sentence(rng, world.on(Family::OddText))));
    }
    fate
}

fn any_location(rng: &mut SeededRng) -> Content {
    // Degrees with four decimals, exact enough for a street.
    let mut degrees = |most: i64| {
        let drawn = i32::try_from(rng.ms(-10_000 * most, 10_000 * most)).unwrap_or(0);
        f64::from(drawn) / 10_000.0
    };
    let (latitude, longitude) = (degrees(80), degrees(180));
    Content::Location { latitude, longitude, name: "Example Depot".to_owned() }
}

/// The id that the sender's client made: its length tells the client.
fn bare_id(from_me: bool, rng: &mut SeededRng) -> String {
    match rng.below(3) {
        0 => format!("3A{}", rng.hex(18)),
        1 if !from_me => format!("AC{}", rng.hex(30)),
        _ => format!("3EB0{}", rng.hex(18)),
    }
}

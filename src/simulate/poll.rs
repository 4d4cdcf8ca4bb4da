//! `poll.vote` and `poll.vote.failed`. Called by `turn`; the poll itself is a message.

use std::sync::Arc;

use super::json::{Obj, obj};
use super::message::{self, Chat, Content, Message, id_object};
use super::people::Person;
use super::schedule::{Schedule, event_key};
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Engine, Session};
use super::told::Told;
use super::world::World;

struct Vote {
    voter: Person,
    bare_id: String,
    options: Vec<&'static str>,
    failed: bool,
    at_ms: i64,
}

/// Of 1,000 votes in NOWEB and GOWS, how many cannot be read.
const FAILED_PER_MILLE: u64 = 40;

pub(crate) fn schedule(world: &World, upcoming: &mut Schedule, message: &Arc<Message>) {
    let Content::Poll { options, .. } = &message.content else { return };
    if message.fate.revoked {
        return;
    }
    let mut rng = SeededRng::of(world.seed, message.turn, Purpose::Poll);
    let mut count = 0;
    for voter in voters(world, message) {
        let mut at_ms = message.at_ms;
        // A choice, then perhaps another one.
        for share in [800, 250] {
            at_ms += rng.ms(3_000, 180_000);
            if rng.per_mille(share) {
                let vote = cast(world, message, voter, options, at_ms, &mut rng);
                add(upcoming, message, vote, count);
                count += 1;
            }
        }
    }
}

fn voters(world: &World, message: &Message) -> Vec<Person> {
    match message.chat {
        Chat::Direct(person, _) if message.from_me => vec![person],
        Chat::Direct(..) | Chat::Channel(_) => Vec::new(),
        Chat::Group(group, _) => {
            let mut members = group.members(world.people);
            members.retain(|member| *member != message.author);
            members
        }
    }
}

fn cast(
    world: &World,
    message: &Message,
    voter: Person,
    options: &[&'static str],
    at_ms: i64,
    rng: &mut SeededRng,
) -> Vote {
    let readable = world.sessions[message.session].engine.is_browser();
    let failed = rng.per_mille(FAILED_PER_MILLE) && !readable;
    // Each option with even chances: none at all is a vote withdrawn.
    let chosen = options.iter().copied().filter(|_| rng.per_mille(500) && !failed).collect();
    Vote { voter, bare_id: rng.hex(32), options: chosen, failed, at_ms }
}

fn add(upcoming: &mut Schedule, message: &Arc<Message>, vote: Vote, count: u64) {
    let event_type = if vote.failed { "poll.vote.failed" } else { "poll.vote" };
    let id = event_key(message.turn, Purpose::Poll, count);
    let message = Arc::clone(message);
    let told = Told::Hidden { chat: message.chat, at_ms: vote.at_ms };
    upcoming.add_told(vote.at_ms, event_type, (message.session, id), told, move |world| {
        let session = &world.sessions[message.session];
        Some(if session.engine.is_browser() {
            browser(session, &message, &vote)
        } else {
            other(session, &message, &vote)
        })
    });
}

/// NOWEB and GOWS: the account is called `me`.
fn other(session: &Session, message: &Message, vote: &Vote) -> Obj {
    let chat = message.chat.id();
    let cast = message::head(session, message.chat, vote.voter, false, &vote.bare_id);
    let poll = message.head(session);
    let gows = session.engine == Engine::Gows;
    let options = if gows && vote.failed { None } else { Some(vote.options.clone()) };
    // A failed one has seconds in NOWEB.
    let timestamp = if vote.failed && !gows { vote.at_ms / 1_000 } else { vote.at_ms };
    let me = "me".to_owned();
    let (poll_from, poll_to) =
        if message.from_me { (me.clone(), chat.clone()) } else { (chat.clone(), me.clone()) };
    obj! {
        "vote": obj! { "id": cast.id, "to": me, "from": chat, "fromMe": false }
            .with_some("participant", cast.participant)
            .and(&obj! { "selectedOptions": options, "timestamp": timestamp }),
        "poll": obj! { "id": poll.id, "to": poll_to, "from": poll_from, "fromMe": message.from_me }
            .with_some("participant", poll.participant),
    }
}

/// WEBJS and WPP: the vote has the id of the poll.
fn browser(session: &Session, message: &Message, vote: &Vote) -> Obj {
    let cast = message::head(session, message.chat, vote.voter, false, &message.bare_id);
    let poll = message.head(session);
    let parent = id_object(message.from_me, message.chat, &message.bare_id, &poll);
    let chosen: Vec<Obj> = (0_u64..)
        .zip(&vote.options)
        .map(|(place, name)| obj! { "id": place, "name": *name })
        .collect();
    obj! {
        "poll": obj! {
            "id": &poll.id, "to": &poll.to, "from": &poll.from, "fromMe": message.from_me,
        }
        .with_some("participant", poll.participant),
        "vote": obj! { "id": &cast.id, "to": &cast.to, "from": &cast.from, "fromMe": false }
            .with_some("participant", cast.participant)
            .and(&obj! { "selectedOptions": vote.options.clone(), "timestamp": vote.at_ms }),
        "_data": obj! {
            "voter": vote.voter.id(message.chat.form()), "selectedOptions": chosen,
            "interractedAtTs": vote.at_ms, "parentMessage": obj! { "id": parent },
        },
    }
}

//! Chats, and their overview.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};

use super::answer::{Answer, json};
use super::messages::{check_store, tell};
use super::oddity::Oddity;
use super::params::{Page, Params};
use super::served::Waha;
use super::state::State;
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::message::Chat;
use crate::simulate::people::Form;

/// Chats of an overview where no limit is asked for.
const OVERVIEW_LIMIT: usize = 20;
const ORDERS: [&str; 3] = ["conversationTimestamp", "id", "name"];

/// A chat as it is listed.
struct Listed {
    chat: Chat,
    name: String,
    seconds: i64,
    /// Where its last message is.
    last: usize,
}

pub(super) async fn list(request: HttpRequest, path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let mut params = Params::of(&request);
    let is_merging = params.flag("merge").unwrap_or(true);
    let by_default = waha.state().is(position, Oddity::ServerIds);
    let order = params.word("sortBy", &ORDERS).unwrap_or(if by_default { ORDERS[0] } else { "id" });
    let is_descending = params.is_descending(by_default);
    let page = params.page();
    params.check()?;
    let state = waha.state();
    check_store(&state, position)?;
    let mut chats = chats(&state, position, is_merging);
    sort(&mut chats, order, is_descending);
    let is_in_memory = state.is(position, Oddity::OffsetNeedsLimit);
    let chats = page.cut(chats, is_in_memory, state.is(position, Oddity::ZeroIsAll));
    Ok(json(&chats.iter().map(|listed| shape(&state, position, listed)).collect::<Vec<Obj>>()))
}

/// Loads a picture of each chat, for which WhatsApp shows the account online.
pub(super) async fn overview(request: HttpRequest, path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let mut params = Params::of(&request);
    let page = params.page();
    params.check()?;
    let mut state = waha.state();
    check_store(&state, position)?;
    state.stores[position].activity_ms = Some(state.now_ms());
    let mut chats = chats(&state, position, true);
    sort(&mut chats, ORDERS[0], true);
    let page = Page { limit: Some(page.limit.unwrap_or(OVERVIEW_LIMIT)), ..page };
    let told: Vec<Obj> = page
        .cut(chats, false, false)
        .iter()
        .map(|listed| {
            obj! {
                "id": listed.chat.id(), "name": &listed.name,
                "picture": "https://pps.whatsapp.net/v/example.jpg",
                "lastMessage": tell(&mut state, position, listed.last, false),
                "_chat": shape(&state, position, listed),
            }
        })
        .collect();
    Ok(json(&told))
}

/// The chats that have messages, each with its newest time.
fn chats(state: &State, position: usize, is_merging: bool) -> Vec<Listed> {
    let is_merging = is_merging && !state.is(position, Oddity::NoMerge);
    let store = &state.stores[position];
    let mut chats: BTreeMap<String, Listed> = BTreeMap::new();
    for (last, row) in store.rows.iter().enumerate().filter(|(_, row)| row.kept.is_some()) {
        let chat = match row.chat {
            Chat::Direct(person, _)
                if is_merging && store.linked.contains(&person.id(Form::Phone)) =>
            {
                Chat::Direct(person, Form::Phone)
            }
            chat => chat,
        };
        let listed =
            Listed { chat, name: name(state, position, chat), seconds: row.seconds(), last };
        let known =
            chats.entry(chat.id()).or_insert_with(|| Listed { seconds: i64::MIN, ..listed });
        if known.seconds <= row.seconds() {
            known.seconds = row.seconds();
            known.last = last;
        }
    }
    chats.into_values().collect()
}

fn name(state: &State, position: usize, chat: Chat) -> String {
    match chat {
        Chat::Direct(person, Form::Phone) => person.name(),
        // Nobody told who that is.
        Chat::Direct(_, Form::Lid) | Chat::Channel(_) => String::new(),
        Chat::Group(group, _) => {
            let renamed =
                state.stores[position].groups.get(&group.id()).map_or(0, |group| group.renamed);
            group.subject(renamed)
        }
    }
}

fn sort(chats: &mut [Listed], order: &str, is_descending: bool) {
    match order {
        "conversationTimestamp" => chats.sort_by_key(|listed| listed.seconds),
        "name" => chats.sort_by(|left, right| left.name.cmp(&right.name)),
        _ => chats.sort_by_key(|listed| listed.chat.id()),
    }
    if is_descending {
        chats.reverse();
    }
}

/// A chat in the words of the engine.
fn shape(state: &State, position: usize, listed: &Listed) -> Obj {
    let is = |oddity| state.is(position, oddity);
    let Listed { chat, name, seconds, .. } = listed;
    match () {
        () if is(Oddity::IdObjects) => obj! {
            "id": id_object(&chat.id()), "name": name, "isGroup": chat.is_group(),
            "isReadOnly": false, "unreadCount": 0, "timestamp": *seconds, "archived": false,
            "pinned": false, "isMuted": false, "muteExpiration": 0, "lastMessage": Null,
        },
        () if is(Oddity::RawChats) => obj! {
            "id": chat.id(), "name": name, "t": *seconds, "unreadCount": 0,
            "isGroup": chat.is_group(), "archive": false,
            "contact": obj! {
                "id": obj! { "_serialized": chat.id() }, "pushname": name,
            },
        },
        () if is(Oddity::ServerIds) => obj! {
            "id": chat.jid(), "conversationTimestamp": *seconds, "name": name,
        },
        () => obj! { "id": chat.id(), "name": name, "conversationTimestamp": *seconds },
    }
}

/// An id in its parts.
pub(super) fn id_object(id: &str) -> Obj {
    let (user, server) = id.split_once('@').unwrap_or((id, ""));
    obj! { "server": server, "user": user, "_serialized": id }
}

//! People whom a session knows.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};

use super::answer::{Answer, empty, json};
use super::failure::not_found_exception;
use super::gate::exception_of;
use super::messages::{canonical, check_store};
use super::oddity::Oddity;
use super::params::Params;
use super::served::Waha;
use super::state::State;
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::people::{Form, Person};
use crate::simulate::session::Engine;

pub(super) async fn all(request: HttpRequest, waha: Data<Waha>) -> Answer {
    let mut params = Params::of(&request);
    let name = params.session()?.to_owned();
    let position = waha.ready(&name).await?;
    let by_name = params.word("sortBy", &["id", "name"]) == Some("name");
    let is_descending = params.is_descending(false);
    let page = params.page();
    params.check()?;
    let state = waha.state();
    check_store(&state, position)?;
    let mut people: Vec<Person> = state.stores[position].people.values().copied().collect();
    if by_name {
        people.sort_by_key(|person| person.name());
    }
    if is_descending {
        people.reverse();
    }
    let is_in_memory = state.is(position, Oddity::OffsetNeedsLimit);
    let people = page.cut(people, is_in_memory, state.is(position, Oddity::ZeroIsAll));
    let told = |person| contact(&state, position, person);
    Ok(json(&people.into_iter().map(told).collect::<Vec<Obj>>()))
}

pub(super) async fn of_query(request: HttpRequest, waha: Data<Waha>) -> Answer {
    let params = Params::of(&request);
    let name = params.session()?.to_owned();
    let id = params.text("contactId").unwrap_or_default().to_owned();
    one(&request, &waha, &name, &id).await
}

pub(super) async fn of_path(
    request: HttpRequest,
    path: Path<(String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (name, id) = path.into_inner();
    one(&request, &waha, &name, &id).await
}

async fn one(request: &HttpRequest, waha: &Waha, name: &str, id: &str) -> Answer {
    let position = waha.ready(name).await?;
    let id = canonical(id);
    let is_empty = {
        let state = waha.state();
        check_store(&state, position)?;
        let named = |person: &&Person| person.id(Form::Phone) == id || person.id(Form::Lid) == id;
        if let Some(person) = state.stores[position].people.values().find(named) {
            return Ok(json(&contact(&state, position, *person)));
        }
        state.is(position, Oddity::EmptyUnknown)
    };
    if is_empty {
        return Ok(empty(StatusCode::OK));
    }
    let exception = not_found_exception("2 UNKNOWN: contact not found");
    Err(exception_of(waha, request, b"", &exception))
}

/// Asks WhatsApp, and shows the account online.
pub(super) async fn check_exists(request: HttpRequest, waha: Data<Waha>) -> Answer {
    let params = Params::of(&request);
    let name = params.session()?.to_owned();
    let position = waha.ready(&name).await?;
    let phone = canonical(params.text("phone").unwrap_or_default().trim_start_matches('+'));
    let mut state = waha.state();
    state.stores[position].activity_ms = Some(state.now_ms());
    let exists = state.stores[position].people.contains_key(&phone);
    let answer = obj! { "numberExists": exists };
    let is_gows = engine(&state, position) == Engine::Gows;
    Ok(json(&match (exists, is_gows) {
        (true, _) => answer.with("chatId", phone),
        (false, true) => answer.with("chatId", Null),
        (false, false) => answer,
    }))
}

pub(super) fn engine(state: &State, position: usize) -> Engine {
    state.options.manner.unwrap_or(state.session(position).engine)
}

/// A contact in the words of the engine.
fn contact(state: &State, position: usize, person: Person) -> Obj {
    let (id, name) = (person.id(Form::Phone), person.name());
    let short = name.split(' ').next().unwrap_or_default().to_owned();
    match engine(state, position) {
        Engine::Gows => obj! { "id": id, "name": &name, "pushname": &name },
        Engine::Noweb => {
            let is_linked = state.stores[position].linked.contains(&id);
            let lid = is_linked.then(|| person.id(Form::Lid));
            obj! { "id": id, "name": &name, "pushname": &name }.with_some("lid", lid)
        }
        Engine::Webjs | Engine::Wpp => obj! {
            "id": id, "number": person.phone().to_string(), "name": &name, "pushname": &name,
            "shortName": short, "isBusiness": false, "isEnterprise": false, "isMe": false,
            "isUser": true, "isGroup": false, "isWAContact": true, "isMyContact": true,
            "isBlocked": false,
        },
    }
}

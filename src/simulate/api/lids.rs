//! Which LID belongs to which phone number.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};

use super::answer::{Answer, json};
use super::error::ApiError;
use super::messages::{canonical, check_store};
use super::oddity::Oddity;
use super::params::{Page, Params};
use super::served::Waha;
use super::state::State;
use crate::simulate::json::{Obj, obj};
use crate::simulate::people::{Form, Person};

const LIMIT: usize = 100;

pub(super) async fn list(request: HttpRequest, path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let mut params = Params::of(&request);
    let page = params.page();
    params.check()?;
    let mut state = waha.state();
    check_store(&state, position)?;
    state.lists += 1;
    let mut known = known(&state, position);
    if state.is(position, Oddity::ShuffledLids) && !known.is_empty() {
        let turn = state.lists % known.len();
        known.rotate_left(turn);
    }
    let page = Page { limit: Some(page.limit.unwrap_or(LIMIT)), ..page };
    Ok(json(&page.cut(known, false, false).into_iter().map(pair).collect::<Vec<Obj>>()))
}

pub(super) async fn count(path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let state = waha.state();
    check_store(&state, position)?;
    Ok(json(&obj! { "count": known(&state, position).len() as u64 }))
}

/// With or without `@lid`; of an unknown one the number is null.
pub(super) async fn get(path: Path<(String, String)>, waha: Data<Waha>) -> Answer {
    let (name, lid) = path.into_inner();
    let position = waha.ready(&name).await?;
    let state = waha.state();
    check_store(&state, position)?;
    let lid = if lid.contains('@') { lid } else { format!("{lid}@lid") };
    if !lid.ends_with("@lid") {
        return Err(ApiError::Unprocessable("Invalid LID format".to_owned()));
    }
    let person = known(&state, position).into_iter().find(|person| person.id(Form::Lid) == lid);
    let phone = person.map(|person| person.id(Form::Phone));
    Ok(json(&obj! { "lid": lid, "pn": phone }))
}

pub(super) async fn of_phone(path: Path<(String, String)>, waha: Data<Waha>) -> Answer {
    let (name, phone) = path.into_inner();
    let position = waha.ready(&name).await?;
    let state = waha.state();
    check_store(&state, position)?;
    let phone = canonical(phone.trim_start_matches('+'));
    let person = known(&state, position).into_iter().find(|person| person.id(Form::Phone) == phone);
    Ok(json(&obj! { "lid": person.map(|person| person.id(Form::Lid)), "pn": phone }))
}

/// The account, and whose two names some message told.
fn known(state: &State, position: usize) -> Vec<Person> {
    let store = &state.stores[position];
    let account = state.session(position).account;
    let met = store.linked.iter().filter_map(|phone| store.people.get(phone)).copied();
    std::iter::once(account).chain(met.filter(|person| *person != account)).collect()
}

fn pair(person: Person) -> Obj {
    obj! { "lid": person.id(Form::Lid), "pn": person.id(Form::Phone) }
}

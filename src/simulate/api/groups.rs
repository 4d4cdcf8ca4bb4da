//! Groups and their members.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};

use super::answer::{Answer, json, json_with};
use super::chats::id_object;
use super::error::ApiError;
use super::failure::not_found_exception;
use super::gate::exception_of;
use super::oddity::Oddity;
use super::params::Params;
use super::served::Waha;
use super::state::State;
use super::store::GroupState;
use crate::simulate::json::{Obj, obj};
use crate::simulate::message::rfc3339;
use crate::simulate::people::{Form, Group, Person};

/// When all groups were made, in Unix milliseconds.
const CREATED_MS: i64 = 1_690_000_000_000;

pub(super) async fn list(request: HttpRequest, path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let mut params = Params::of(&request);
    let by_subject = params.word("sortBy", &["id", "subject"]) == Some("subject");
    let is_descending = params.is_descending(false);
    let page = params.page();
    params.check()?;
    let state = waha.state();
    let mut groups: Vec<GroupState> = state.stores[position].groups.values().cloned().collect();
    if by_subject {
        groups.sort_by_key(|state| state.group.subject(state.renamed));
    }
    if is_descending {
        groups.reverse();
    }
    // GOWS and the browser engines load all and cut then; NOWEB's object is cut alike.
    let groups = page.cut(groups, true, state.is(position, Oddity::ZeroIsAll));
    if !state.is(position, Oddity::ObjectLists) {
        let told = |group: &GroupState| shape(&state, position, group);
        return Ok(json(&groups.iter().map(told).collect::<Vec<Obj>>()));
    }
    let keyed = groups
        .iter()
        .fold(Obj::new(), |all, group| all.with(&group.group.id(), shape(&state, position, group)));
    Ok(json(&keyed))
}

pub(super) async fn count(path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    Ok(json(&obj! { "count": waha.state().stores[position].groups.len() as u64 }))
}

/// Asks WhatsApp, and shows the account online.
pub(super) async fn refresh(path: Path<String>, waha: Data<Waha>) -> Answer {
    let position = waha.ready(&path).await?;
    let mut state = waha.state();
    state.stores[position].activity_ms = Some(state.now_ms());
    Ok(json_with(StatusCode::CREATED, &obj! { "success": true }))
}

pub(super) async fn get(
    request: HttpRequest,
    path: Path<(String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (name, id) = path.into_inner();
    let position = waha.ready(&name).await?;
    let group = group(&request, &waha, position, &id)?;
    Ok(json(&shape(&waha.state(), position, &group)))
}

/// `[{id, pn, role}]`, alike in all engines.
pub(super) async fn participants(
    request: HttpRequest,
    path: Path<(String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (name, id) = path.into_inner();
    let position = waha.ready(&name).await?;
    let group = group(&request, &waha, position, &id)?;
    let state = waha.state();
    let form = state.session(position).form_in(group.group);
    let is_hidden = form == Form::Lid && state.is(position, Oddity::PhonesHidden);
    let member = |(person, role): &(Person, &'static str)| {
        let phone = (!is_hidden).then(|| person.id(Form::Phone));
        obj! { "id": person.id(form), "pn": phone, "role": *role }
    };
    let account = state.session(position).account;
    let is_shown = |it: &&(Person, &'static str)| {
        it.0 != account || !state.is(position, Oddity::AccountHidden)
    };
    let nameless = state.is(position, Oddity::NamelessMember);
    let nameless = nameless.then(|| obj! { "id": "", "role": "participant" });
    let members = group.members.iter().filter(is_shown).map(member).chain(nameless);
    Ok(json(&members.collect::<Vec<Obj>>()))
}

/// A group of the session. An unknown one is a 500: GOWS asks WhatsApp, NOWEB says what it is.
fn group(
    request: &HttpRequest,
    waha: &Waha,
    position: usize,
    id: &str,
) -> Result<GroupState, ApiError> {
    let id = if id.contains('@') { id.to_owned() } else { format!("{id}@g.us") };
    let (known, is_named) = {
        let state = waha.state();
        let known = state.stores[position].groups.get(&id).cloned();
        (known, state.is(position, Oddity::UnknownGroupFails))
    };
    known.ok_or_else(|| {
        let text = if is_named {
            format!("Group with id '{id}' not found")
        } else {
            "2 UNKNOWN: info query returned status 404: item-not-found".to_owned()
        };
        exception_of(waha, request, b"", &not_found_exception(&text))
    })
}

/// A group in the words of the engine.
fn shape(state: &State, position: usize, group: &GroupState) -> Obj {
    let is = |oddity| state.is(position, oddity);
    let form = state.session(position).form_in(group.group);
    match () {
        () if is(Oddity::ObjectLists) => baileys(group, form),
        () if is(Oddity::IdObjects) || is(Oddity::RawChats) => web(group, form),
        () => whatsmeow(group, form),
    }
}

fn whatsmeow(state: &GroupState, form: Form) -> Obj {
    let member = |(person, role): &(Person, &'static str)| {
        obj! {
            "JID": person.jid(form), "PhoneNumber": person.jid(Form::Phone),
            "LID": person.jid(Form::Lid), "IsAdmin": *role != "participant",
            "IsSuperAdmin": *role == "superadmin", "DisplayName": "", "Error": 0,
        }
    };
    let owner = owner(state);
    obj! {
        "JID": state.group.id(), "OwnerJID": owner.map(|owner| owner.jid(form)),
        "OwnerPN": owner.map(|owner| owner.jid(Form::Phone)), "Name": subject(state),
        "NameSetAt": rfc3339(CREATED_MS), "Topic": "", "IsLocked": false, "IsAnnounce": false,
        "IsEphemeral": false, "IsJoinApprovalRequired": false, "AddressingMode": form.mode(),
        "GroupCreated": rfc3339(CREATED_MS), "MemberAddMode": "all_member_add",
        "Participants": state.members.iter().map(member).collect::<Vec<_>>(),
    }
}

fn baileys(state: &GroupState, form: Form) -> Obj {
    let member = |(person, role): &(Person, &'static str)| {
        let admin = (*role != "participant").then_some(*role);
        obj! { "id": person.jid(form), "phoneNumber": person.jid(Form::Phone), "admin": admin }
    };
    let owner = owner(state).map(|owner| owner.jid(form));
    obj! {
        "id": state.group.id(), "addressingMode": form.mode(), "subject": subject(state),
        "subjectOwner": &owner, "subjectTime": CREATED_MS / 1_000,
        "size": state.members.len() as u64, "creation": CREATED_MS / 1_000, "owner": &owner,
        "desc": "", "descId": "AAAA", "restrict": false, "announce": false, "isCommunity": false,
        "isCommunityAnnounce": false, "joinApprovalMode": false, "memberAddMode": true,
        "participants": state.members.iter().map(member).collect::<Vec<_>>(),
    }
}

fn web(state: &GroupState, form: Form) -> Obj {
    let member = |(person, role): &(Person, &'static str)| {
        obj! {
            "id": id_object(&person.id(form)), "isAdmin": *role != "participant",
            "isSuperAdmin": *role == "superadmin",
        }
    };
    let id = state.group.id();
    obj! {
        "id": id_object(&id), "name": subject(state), "isGroup": true,
        "timestamp": CREATED_MS / 1_000, "groupMetadata": obj! {
            "id": obj! { "_serialized": &id }, "subject": subject(state), "desc": "",
            "restrict": false, "announce": false,
            "participants": state.members.iter().map(member).collect::<Vec<_>>(),
        },
    }
}

fn subject(state: &GroupState) -> String {
    Group::subject(state.group, state.renamed)
}

/// Who made it.
fn owner(state: &GroupState) -> Option<Person> {
    let is_owner = |member: &&(Person, &'static str)| member.1 == "superadmin";
    state.members.iter().find(is_owner).map(|(person, _)| *person)
}

//! What a change in a group looks like, per engine. Called when it is due.

use super::{Action, Change, Notice};
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::message::rfc3339;
use crate::simulate::people::{Form, Group, Person};
use crate::simulate::session::{Age, Engine, Session};

pub(super) fn payload(session: &Session, notice: &Notice) -> Obj {
    if session.is_old() {
        return match session.engine {
            Engine::Webjs => web_notice(session, notice),
            Engine::Noweb | Engine::Gows | Engine::Wpp => metadata(session, notice),
        };
    }
    let group = notice.group;
    let start = obj! { "timestamp": timestamp(session, notice.at_ms) };
    let told = match notice.change {
        Change::Joined => start.with("group", info(session, notice)),
        Change::Left => start.with("group", obj! { "id": group.id() }),
        Change::Renamed(times) => {
            let change = obj! { "id": group.id(), "subject": group.subject(times) };
            // WEBJS tells the whole state.
            let whole = session.engine == Engine::Webjs;
            start.with("group", if whole { change.and(&settings()) } else { change })
        }
        Change::Member { person, action } => start.and(&obj! {
            "type": action.name(), "group": obj! { "id": group.id() },
            "participants": vec![participant(session, person, group, action.role())],
        }),
        Change::Requested(person) => start.and(&obj! {
            "group": obj! { "id": group.id() }, "action": "created",
            "requesterId": person.id(group.form()), "requesterPn": person.id(Form::Phone),
            "requestMethod": "invite_link",
        }),
    };
    told.with("_data", data(session, notice))
}

/// Seconds in the browser engines, milliseconds in the others.
fn timestamp(session: &Session, at_ms: i64) -> i64 {
    if session.engine.is_browser() { at_ms / 1_000 } else { at_ms }
}

fn info(session: &Session, notice: &Notice) -> Obj {
    let group = notice.group;
    let mut members = vec![participant(session, session.account, group, "participant")];
    for (place, person) in group.members(notice.people).into_iter().enumerate() {
        let role = if place == 0 { "superadmin" } else { "participant" };
        members.push(participant(session, person, group, role));
    }
    obj! {
        "id": group.id(), "subject": group.subject(0), "participants": members,
    }
    .and(&settings())
}

fn settings() -> Obj {
    obj! {
        "description": "", "membersCanAddNewMember": true, "membersCanSendMessages": false,
        "newMembersApprovalRequired": false,
    }
}

/// A member, with the phone number where the WAHA is young enough.
fn participant(session: &Session, person: Person, group: Group, role: &str) -> Obj {
    let phone =
        (session.age == Age::Autumn && session.links_lids()).then(|| person.id(Form::Phone));
    obj! { "id": person.id(group.form()) }.with_some("pn", phone).with("role", role)
}

fn data(session: &Session, notice: &Notice) -> Obj {
    match session.engine {
        Engine::Webjs | Engine::Wpp => web_notice(session, notice),
        Engine::Noweb => noweb_notice(session, notice),
        Engine::Gows if matches!(notice.change, Change::Joined) => gows_group(session, notice),
        Engine::Gows => gows_notice(notice),
    }
}

/// The notice as WhatsApp Web has it.
fn web_notice(session: &Session, notice: &Notice) -> Obj {
    let group = notice.group.id();
    let seconds = (notice.at_ms / 1_000).to_string();
    let form = session.form_in(notice.group);
    let author = founder(notice).id(form);
    let (kind, whom) = match notice.change {
        Change::Joined => ("add", vec![session.me()]),
        Change::Left => ("remove", vec![session.me()]),
        Change::Renamed(_) => ("subject", Vec::new()),
        Change::Member { person, action } => (action.name(), vec![person.id(form)]),
        Change::Requested(person) => ("membership_approval_request", vec![person.id(form)]),
    };
    obj! {
        "id": obj! {
            "fromMe": false, "remote": &group, "id": &seconds, "participant": &author,
            "_serialized": format!("false_{group}_{seconds}_{author}"),
        },
        "body": "", "type": kind, "timestamp": notice.at_ms / 1_000, "chatId": &group,
        "author": &author, "recipientIds": whom,
    }
}

fn noweb_notice(session: &Session, notice: &Notice) -> Obj {
    let form = notice.group.form();
    let author = founder(notice);
    match notice.change {
        Change::Joined => metadata(session, notice),
        Change::Renamed(times) => obj! {
            "id": notice.group.id(), "subject": notice.group.subject(times),
            "author": author.jid(form),
        },
        Change::Left => obj! { "id": notice.group.id(), "author": author.jid(form) },
        Change::Member { person, action } => obj! {
            "id": notice.group.id(), "author": author.jid(form),
            "authorPn": author.jid(Form::Phone), "participants": vec![obj! {
                "id": person.jid(form), "phoneNumber": person.jid(Form::Phone), "admin": Null,
            }],
            "action": match action {
                Action::Join => "add",
                Action::Leave => "remove",
                Action::Promote | Action::Demote => action.name(),
            },
        },
        Change::Requested(_) => Obj::new(),
    }
}

/// The group as Baileys knows it.
fn metadata(session: &Session, notice: &Notice) -> Obj {
    let group = notice.group;
    let form = session.form_in(notice.group);
    let members = group.members(notice.people);
    let member = |person: &Person| {
        obj! {
            "id": person.jid(form), "phoneNumber": person.jid(Form::Phone),
            "admin": (*person == founder(notice)).then_some("superadmin"),
        }
    };
    obj! {
        "id": group.id(), "addressingMode": form.mode(), "subject": group.subject(0),
        "size": members.len() as u64 + 1, "creation": 1_690_000_000,
        "owner": founder(notice).jid(form), "desc": "", "restrict": false, "announce": false,
        "isCommunity": false, "isCommunityAnnounce": false, "joinApprovalMode": false,
        "memberAddMode": true, "participants": members.iter().map(member).collect::<Vec<_>>(),
        "author": founder(notice).jid(form),
    }
}

/// The group as whatsmeow knows it.
fn gows_group(session: &Session, notice: &Notice) -> Obj {
    let group = notice.group;
    let founder = founder(notice);
    let mut members = group.members(notice.people);
    members.push(session.account);
    let member = |person: &Person| {
        obj! {
            "JID": person.jid(group.form()), "PhoneNumber": person.jid(Form::Phone),
            "LID": person.jid(Form::Lid), "IsAdmin": *person == founder,
            "IsSuperAdmin": *person == founder,
        }
    };
    obj! {
        "Reason": "", "Type": "", "CreateKey": "", "JID": group.id(),
        "OwnerJID": founder.jid(group.form()), "Name": group.subject(0), "Topic": "",
        "IsAnnounce": false, "IsJoinApprovalRequired": false, "MemberAddMode": "all_member_add",
        "Participants": members.iter().map(member).collect::<Vec<_>>(),
    }
}

fn gows_notice(notice: &Notice) -> Obj {
    let group = notice.group;
    let form = notice.group.form();
    let named = |times| {
        obj! {
            "Name": group.subject(times), "NameSetAt": rfc3339(notice.at_ms),
            "NameSetBy": founder(notice).jid(form),
        }
    };
    let name = if let Change::Renamed(times) = notice.change { Some(named(times)) } else { None };
    let mut lists: [Option<Vec<String>>; 4] = [const { None }; 4];
    if let Change::Member { person, action } = notice.change {
        lists[action as usize] = Some(vec![person.jid(form)]);
    }
    let [join, promote, demote, leave] = lists;
    obj! {
        "JID": group.id(), "Notify": "", "Sender": founder(notice).jid(form),
        "SenderPN": founder(notice).jid(Form::Phone), "Timestamp": rfc3339(notice.at_ms),
        "Name": name, "Topic": Null, "Locked": Null, "Announce": Null, "Ephemeral": Null,
        "MembershipApprovalMode": Null, "Delete": Null, "Link": Null, "Unlink": Null,
        "NewInviteLink": Null, "PrevParticipantVersionID": "1", "ParticipantVersionID": "2",
        "JoinReason": "", "Join": join, "Leave": leave, "Promote": promote, "Demote": demote,
        "UnknownChanges": Null,
    }
}

/// The first member, who made the group.
fn founder(notice: &Notice) -> Person {
    notice.group.members(notice.people)[0]
}

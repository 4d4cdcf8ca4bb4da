//! Groups: `group.v2.*`, and `group.join` and `group.leave` of old WAHA versions.
//!
//! Who is a member is one register per person: the newest telling counts, be it a whole list or a
//! single change. What WAHA says of the group's settings contradicts itself between engines and is
//! left out.

use super::body::Body;
use super::ids::id;
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::{
    Changes, ChatKey, JoinRequestChange, JoinRequestKey, ParticipantKey, Register, Role,
};
use crate::waha::json::Node;

/// Longest list of members that is read; WhatsApp's groups have 1,024.
const MEMBERS_MAX: usize = 10_000;

/// `group.v2.join`: the account joined, and is told everything about the group.
pub(super) fn join(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    let group = body.payload.at("group");
    tell_group(&mut changes, body, &chat, group);
    tell_own(&mut changes, body, &chat, Role::Participant);
    tell_members(&mut changes, body, &chat, group.at("participants"), None);
    Ok(Normalized::Changes(changes))
}

/// `group.v2.leave`: the account left or was removed.
pub(super) fn leave(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    tell_own(&mut changes, body, &chat, Role::Left);
    Ok(Normalized::Changes(changes))
}

/// `group.v2.update`: the fields that changed; WEBJS tells all.
pub(super) fn update(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    tell_group(&mut changes, body, &chat, body.payload.at("group"));
    Ok(Normalized::Changes(changes))
}

/// `group.v2.participants`. NOWEB tells role admin on a demotion, so the type decides.
pub(super) fn participants(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    let told = body.payload.at("type").text().ok_or_else(|| body.missing("payload.type"))?;
    let what = What::of(&told);
    tell_members(&mut changes, body, &chat, body.payload.at("participants"), what);
    Ok(Normalized::Changes(changes))
}

/// `group.v2.participants.join-request`.
pub(super) fn join_request(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    let payload = body.payload;
    let jid = id(payload.at_any(&["requesterId", "requesterPn"]));
    let jid = jid.ok_or_else(|| body.missing("payload.requesterId"))?;
    let state = payload.at("action").text().ok_or_else(|| body.missing("payload.action"))?;
    let told = |text| Register::new(body.version, text);
    let method = payload.at("requestMethod").text().map(told);
    let request = JoinRequestChange { state: told(state), method };
    changes.join_requests.insert(JoinRequestKey { chat, jid }, request);
    Ok(Normalized::Changes(changes))
}

/// `group.join` of old: a notice with `recipientIds` (WEBJS), or all about the group (NOWEB).
pub(super) fn join_v1(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    let payload = body.payload;
    tell_members(&mut changes, body, &chat, payload.at("recipientIds"), Some(What::Join));
    if payload.at("subject").is_there() {
        tell_group(&mut changes, body, &chat, payload);
        tell_own(&mut changes, body, &chat, Role::Participant);
        tell_members(&mut changes, body, &chat, payload.at("participants"), None);
    }
    Ok(Normalized::Changes(changes))
}

/// `group.leave` of old (WEBJS).
pub(super) fn leave_v1(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (mut changes, chat) = start(body, rules)?;
    let left = body.payload.at("recipientIds");
    tell_members(&mut changes, body, &chat, left, Some(What::Leave));
    Ok(Normalized::Changes(changes))
}

/// What happened to members.
#[derive(Clone, Copy)]
enum What {
    Join,
    Leave,
    Promote,
    Demote,
}

impl What {
    /// None for types that nobody knows yet: then the told role is all there is.
    fn of(told: &str) -> Option<Self> {
        match told {
            "join" => Some(Self::Join),
            "leave" => Some(Self::Leave),
            "promote" => Some(Self::Promote),
            "demote" => Some(Self::Demote),
            _ => None,
        }
    }

    /// The role after it.
    fn role(self, told: Role) -> Role {
        match (self, told) {
            (Self::Leave, _) => Role::Left,
            (Self::Demote, _) | (Self::Join, Role::Left) => Role::Participant,
            (Self::Promote, Role::Left | Role::Participant) => Role::Admin,
            (Self::Join | Self::Promote, told) => told,
        }
    }
}

/// The group: `group.id` in v2, `chatId` (WEBJS) or `id` (NOWEB) in v1.
fn start(body: &Body<'_>, rules: &Rules) -> Result<(Changes, ChatKey), NormalizeError> {
    let payload = body.payload;
    let chat = id(payload.at("group").at("id"))
        .or_else(|| id(payload.at("chatId")))
        .or_else(|| id(payload.at("id").at("remote")))
        .or_else(|| id(payload.at("id")));
    let chat = body.chat(chat.ok_or_else(|| body.missing("payload.group.id"))?);
    let mut changes = envelope::changes(body, rules);
    changes.chat(&chat);
    Ok((changes, chat))
}

/// Subject and description. An empty description is one that was taken away.
fn tell_group(changes: &mut Changes, body: &Body<'_>, chat: &ChatKey, group: Node<'_>) {
    let change = changes.chat(chat);
    change.name = group.at("subject").text().map(|name| Register::new(body.version, name));
    let description = group.at_any(&["description", "desc"]);
    change.description =
        description.is_there().then(|| Register::new(body.version, description.text()));
}

/// What the own account is in the group, unless a list in the same webhook says it better: its
/// version is higher, also where the list names the account by its LID.
fn tell_own(changes: &mut Changes, body: &Body<'_>, chat: &ChatKey, role: Role) {
    if let Some(jid) = body.me() {
        let key = ParticipantKey { chat: chat.clone(), jid };
        changes.participants.insert(key, Register::new(body.version.before(), role));
    }
}

/// Members as objects with a role, or as ids alone.
fn tell_members(
    changes: &mut Changes,
    body: &Body<'_>,
    chat: &ChatKey,
    members: Node<'_>,
    what: Option<What>,
) {
    for member in members.items().take(MEMBERS_MAX) {
        let Some(jid) = id(member).or_else(|| id(member.at("id"))) else { continue };
        let told = role(member.at_any(&["role", "admin"]));
        let role = what.map_or(told, |what| what.role(told));
        // The own account is told by its phone id above, and perhaps by its LID here.
        let jid = body.phone_of(jid);
        let key = ParticipantKey { chat: chat.clone(), jid };
        changes.participants.insert(key, Register::new(body.version, role));
    }
}

/// A role in WAHA's words.
pub(super) fn role(node: Node<'_>) -> Role {
    match node.str() {
        Some("left") => Role::Left,
        Some("admin") => Role::Admin,
        Some("superadmin") => Role::SuperAdmin,
        Some(_) | None => Role::Participant,
    }
}

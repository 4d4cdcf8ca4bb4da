//! What every webhook tells, whatever its event type: of its session, and of people.
//!
//! Called by each family for the changes to which it adds its own.

use super::body::Body;
use super::ids::id;
use super::{Rules, name};
use crate::change::{Changes, Identity, Metadata, Register, Software, Version};
use crate::webhook::envelope::is_key_text;
use crate::webhook::{EventType, hash_texts};

/// Longest id of an application's user that fits its column, in bytes.
const USER_ID_BYTES_MAX: usize = 255;

/// Changes that already hold what any webhook tells.
pub(super) fn changes(body: &Body<'_>, rules: &Rules) -> Changes {
    let mut changes = Changes::default();
    changes.session(&body.session).identity = identity(body, rules);
    changes.contacts.extend(name::contact(body));
    changes.links.clone_from(&body.links);
    changes
}

/// Who the session is, as the envelope tells it at the time of sending. What WAHA does not know yet, such as
/// the account of a client that is starting, is not told and stays what it was.
///
/// Envelopes of 2022 tell nothing. `session.status` is ordered exactly, all others by the minute:
/// see [`Version::coarse`].
fn identity(body: &Body<'_>, rules: &Rules) -> Identity {
    let me = body.root.at("me");
    let register = |text| register(body, text);
    Identity {
        software: software(body),
        me_id: id(me.at("id")).map(register),
        me_lid: id(me.at("lid")).map(register),
        me_jid: me.at("jid").text().map(register),
        push_name: me.at("pushName").text().map(register),
        metadata: metadata(body, rules),
    }
}

fn software(body: &Body<'_>) -> Option<Register<Software>> {
    let engine = body.engine()?;
    let waha_version = body.root.at("environment").at("version").text();
    let version = version(body, [&engine, waha_version.as_deref().unwrap_or_default()]);
    let version = if waha_version.is_some() { version } else { version.poorer() };
    Some(Register::new(version, Software { engine, waha_version }))
}

fn metadata(body: &Body<'_>, rules: &Rules) -> Option<Register<Metadata>> {
    let metadata = body.root.at("metadata");
    let json = metadata.to_json()?;
    // One that is cut could be another user's.
    let user_id = metadata.at(&rules.user_id_key).text();
    let user_id = user_id.filter(|id| is_key_text(id, USER_ID_BYTES_MAX));
    let version = version(body, [&json, user_id.as_deref().unwrap_or_default()]);
    Some(Register::new(version, Metadata { json, user_id }))
}

fn register(body: &Body<'_>, text: String) -> Register<String> {
    Register::new(version(body, [&text]), text)
}

fn version<const N: usize>(body: &Body<'_>, texts: [&str; N]) -> Version {
    if body.webhook.event_type() == EventType::SessionStatus {
        return body.version;
    }
    body.banded(Version::coarse(body.webhook.ordering_at_ms(), hash_texts(texts)))
}

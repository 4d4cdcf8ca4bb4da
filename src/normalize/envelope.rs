//! What every webhook tells, whatever its event type: of its session, and of people.
//!
//! Called by each family for the changes to which it adds its own.

use super::body::Body;
use super::ids::id;
use super::{Rules, name};
use crate::change::{Changes, Identity, Register, Version};
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

/// Who the session is, as the envelope tells it at the time of sending.
///
/// Envelopes of 2022 tell nothing. `session.status` is ordered exactly, all others by the minute:
/// see [`Version::coarse`].
fn identity(body: &Body<'_>, rules: &Rules) -> Option<Register<Identity>> {
    let engine = body.engine()?;
    let me = body.root.at("me");
    let metadata = body.root.at("metadata");
    // One that is cut could be another user's.
    let user_id = metadata.at(&rules.user_id_key).text();
    let user_id = user_id.filter(|id| is_key_text(id, USER_ID_BYTES_MAX));
    let identity = Identity {
        engine: Some(engine),
        waha_version: body.root.at("environment").at("version").text(),
        me_id: id(me.at("id")),
        me_lid: id(me.at("lid")),
        me_jid: me.at("jid").text(),
        push_name: me.at("pushName").text(),
        metadata: metadata.to_json(),
        user_id,
    };
    Some(Register::new(identity_version(body, &identity), identity))
}

fn identity_version(body: &Body<'_>, identity: &Identity) -> Version {
    if body.webhook.event_type() == EventType::SessionStatus {
        return body.version;
    }
    let Identity { engine, waha_version, me_id, me_lid, me_jid, push_name, metadata, user_id } =
        identity;
    let texts = [engine, waha_version, me_id, me_lid, me_jid, push_name, metadata, user_id];
    let hash = hash_texts(texts.map(|text| text.as_deref().unwrap_or_default()));
    Version::coarse(body.webhook.ordering_at_ms(), hash)
}

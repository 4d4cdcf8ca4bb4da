//! Sessions: `session.status`, and the identity that rides along in every envelope.

use std::collections::BTreeSet;

use super::body::{Body, id};
use super::{NormalizeError, Normalized, Rules};
use crate::change::{Identity, Register, SessionStatus, StatusPoint, Version};
use crate::waha::json::Node;
use crate::waha::time::time;
use crate::webhook::{EventType, hash_texts};

/// WAHA repeats three states at most.
const STATUSES_MAX: usize = 10;

/// `session.status`: the state after the change; repeats of WORKING may carry new `data` only.
pub(super) fn status(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let status = body.payload.at("status").text().ok_or_else(|| body.missing("payload.status"))?;
    let current = body.payload.at("statuses").items().next_back();
    let at = current.and_then(|current| time(current.at("timestamp"))).unwrap_or_else(|| body.at());
    let mut changes = body.changes(rules);
    let change = changes.session(&body.session);
    change.history = history(body);
    change.history.insert(StatusPoint { at, status: status.clone() });
    change.status = Some(Register::new(body.version, SessionStatus { status, at: Some(at) }));
    let limit = |name| body.payload.at("data").at(name).to_json();
    let register = |json| Register::new(body.version, json);
    change.reachout_timelock = limit("reachoutTimelock").map(register);
    change.message_capping = limit("messageCapping").map(register);
    Ok(Normalized::Changes(changes))
}

/// The last states that WAHA repeats in each event.
fn history(body: &Body<'_>) -> BTreeSet<StatusPoint> {
    let points = body.payload.at("statuses").items().rev().take(STATUSES_MAX);
    let point = |point: Node<'_>| {
        Some(StatusPoint { at: time(point.at("timestamp"))?, status: point.at("status").text()? })
    };
    points.filter_map(point).collect()
}

/// Who the session is, as the envelope tells it at the time of sending.
///
/// Envelopes of 2022 tell nothing. `session.status` is ordered exactly, all others by the minute:
/// see [`Version::coarse`].
pub(super) fn identity(body: &Body<'_>, rules: &Rules) -> Option<Register<Identity>> {
    let engine = body.engine()?;
    let (me, metadata) = (body.root.at("me"), body.root.at("metadata"));
    let identity = Identity {
        engine: Some(engine),
        waha_version: body.root.at("environment").at("version").text(),
        me_id: id(me.at("id")),
        me_lid: id(me.at("lid")),
        me_jid: me.at("jid").text(),
        push_name: me.at("pushName").text(),
        metadata: metadata.to_json(),
        user_id: metadata.at(&rules.user_id_key).text(),
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

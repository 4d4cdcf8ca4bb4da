//! Sessions: `session.status`.

use std::collections::BTreeSet;

use super::body::Body;
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::{Register, SessionStatus, StatusPoint};
use crate::waha::json::Node;
use crate::waha::time::time;
use crate::webhook::envelope::is_word;

/// WAHA repeats three states at most.
const STATUSES_MAX: usize = 10;
/// Longest state that fits its column, in bytes.
const STATUS_BYTES_MAX: usize = 32;

/// `session.status`: the state after the change; repeats of WORKING may carry new `data` only.
pub(super) fn status(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let status = word(body.payload.at("status")).ok_or_else(|| body.missing("payload.status"))?;
    let current = body.payload.at("statuses").items().next_back();
    let at = current.and_then(|current| time(current.at("timestamp"))).unwrap_or_else(|| body.at());
    let mut changes = envelope::changes(body, rules);
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

/// WAHA's word for a state. It is part of a key, so one that could not be stored as it is is none. Spaces
/// around it can.
fn word(status: Node<'_>) -> Option<String> {
    status.text().filter(|word| is_word(word, STATUS_BYTES_MAX))
}

/// The last states that WAHA repeats in each event.
fn history(body: &Body<'_>) -> BTreeSet<StatusPoint> {
    let points = body.payload.at("statuses").items().rev().take(STATUSES_MAX);
    let point = |point: Node<'_>| {
        Some(StatusPoint { at: time(point.at("timestamp"))?, status: word(point.at("status"))? })
    };
    points.filter_map(point).collect()
}

//! What a message tells of its webhook beside body and request headers: JSON of few bytes, an array, so
//! that it mostly fits a property.
//!
//! Called by `message`. Invariant: the order, because messages wait in queues while releases
//! come and go.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::webhook::{Headers, Receipt, WebhookKey, WebhookParts};

/// What is known of a webhook beside its body and request headers.
#[derive(Serialize, Deserialize)]
pub(super) struct About<'a>(Name<'a>, Receipt, Times, IsReplay);

/// Source, session, event type, id.
type Name<'a> = [Cow<'a, str>; 4];
/// Webhook time and when the door took it in: ms since 1970.
type Times = [i64; 2];
type IsReplay = bool;

impl<'a> From<&'a WebhookParts> for About<'a> {
    fn from(parts: &'a WebhookParts) -> Self {
        let WebhookKey { source, session, event_type, id } = &parts.key;
        let name = [source, session, event_type, id].map(Cow::from);
        let times = [parts.at_ms, parts.received_at_ms];
        Self(name, parts.receipt, times, parts.replay)
    }
}

impl About<'_> {
    /// The whole webhook.
    pub(super) fn with(self, headers: Headers, body: Bytes) -> WebhookParts {
        let Self(name, receipt, [at_ms, received_at_ms], replay) = self;
        let [source, session, event_type, id] = name.map(Cow::into_owned);
        let key = WebhookKey { source, session, event_type, id };
        WebhookParts { key, receipt, at_ms, received_at_ms, replay, headers, body }
    }
}

//! A webhook: one verified inbound request, from the door to the ledger.
//!
//! Only [`verify`](verify::verify) and the queues' decoding build one. Body, identity and times are
//! fixed at the door and travel unchanged: through queue, retries, dead letter and replay. Whoever made
//! its parts, a webhook's identity and times can be stored everywhere (`storable`).

pub mod clock_offset;
pub mod envelope;
pub mod event_type;
mod lane;
mod loggable;
pub mod month;
pub mod source;
pub mod storable;
pub mod trace_parent;
pub mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use envelope::Envelope;
pub use event_type::EventType;
pub use lane::Lane;
pub use trace_parent::TraceParent;

use trace_parent::TRACE_PARENT_HEADER;

/// How far after its arrival a webhook may claim to be. A WAHA whose clock is a day ahead would
/// otherwise freeze what it tells for a day once its clock is set right.
pub const AHEAD_MS_MAX: i64 = 60 * 60 * 1000;

/// How the id of a webhook begins that was made from WAHA's list of messages. WAHA's own ids begin with `evt_`, and
/// one that somebody signed with this prefix would only count less.
pub const BACKFILL_PREFIX: &str = "backfill_";

/// The request headers worth keeping, by lower-case name.
pub type Headers = BTreeMap<String, String>;

/// What makes two requests the same webhook.
///
/// The id alone is no key: WAHA's NOWEB and GOWS engines give `message` and `message.any` one event
/// id, and names of sessions are equal across sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WebhookKey {
    /// Name of the configured WAHA server.
    pub source: String,
    /// WhatsApp account on that server; empty when the body is malformed.
    pub session: String,
    /// WAHA's name of what happened; empty when the body is malformed.
    pub event_type: String,
    /// The envelope's `id`, else the hash of the body: nothing that is not signed.
    pub id: String,
}

impl WebhookKey {
    /// Whether it was made from WAHA's list of messages, because no webhook told it.
    pub fn is_backfill(&self) -> bool {
        self.id.starts_with(BACKFILL_PREFIX)
    }

    /// A hash that is stable across processes and releases (the first 8 bytes of a SHA-256).
    pub fn hash(&self) -> u64 {
        hash_texts([&self.source, &self.session, &self.event_type, &self.id].map(String::as_str))
    }
}

/// A hash of texts that hold no NUL, which stands between them.
pub fn hash_texts<const N: usize>(texts: [&str; N]) -> u64 {
    let mut sha = Sha256::new();
    for text in texts {
        sha.update(text);
        sha.update([0]);
    }
    first_u64(&sha.finalize())
}

/// The first eight bytes of a digest as a number.
pub fn first_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// Names one acceptance: two deliveries with one receipt are the same request, two requests for
/// one webhook have two. Random; compared only between webhooks of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Receipt(pub i64);

impl Receipt {
    /// A new receipt.
    #[expect(clippy::disallowed_methods, reason = "a receipt must differ between processes")]
    pub fn new() -> Self {
        use rand::Rng;
        Self(rand::rng().next_u64().cast_signed())
    }
}

impl Default for Receipt {
    fn default() -> Self {
        Self::new()
    }
}

/// One verified inbound request. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook(Arc<WebhookParts>);

/// The parts of a [`Webhook`], as queues and dead letters store them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookParts {
    /// What makes two requests the same webhook.
    pub key: WebhookKey,
    /// Which acceptance this is.
    pub receipt: Receipt,
    /// Webhook time: ms since 1970. Orders, within [`Webhook::ordering_at_ms`], what is told twice.
    pub at_ms: i64,
    /// When the door took it in: ms since 1970.
    pub received_at_ms: i64,
    /// Whether a dead letter or the ledger published it again, under its first receipt.
    pub replay: bool,
    /// Request headers worth keeping.
    pub headers: Headers,
    /// The body, byte for byte as it was signed.
    pub body: Bytes,
}

impl From<WebhookParts> for Webhook {
    /// For stored parts only: what comes from outside goes through [`verify::verify`]. What of the
    /// identity and times no database could store is replaced.
    fn from(parts: WebhookParts) -> Self {
        Self(Arc::new(storable::storable(parts)))
    }
}

impl Webhook {
    /// All of it.
    pub fn parts(&self) -> &WebhookParts {
        &self.0
    }

    /// What makes two requests the same webhook.
    pub fn key(&self) -> &WebhookKey {
        &self.0.key
    }

    /// Which acceptance this is.
    pub fn receipt(&self) -> Receipt {
        self.0.receipt
    }

    /// Webhook time, ms since 1970.
    pub fn at_ms(&self) -> i64 {
        self.0.at_ms
    }

    /// The time that orders what it tells, ms since 1970: webhook time, but at most [`AHEAD_MS_MAX`]
    /// after its arrival. Made of two times that travel with it and are stored with it, so it is the
    /// same at every attempt, replay and renewed reading.
    pub fn ordering_at_ms(&self) -> i64 {
        self.0.at_ms.min(self.ordering_ms_max())
    }

    /// The latest time that may order what it tells, ms since 1970.
    pub fn ordering_ms_max(&self) -> i64 {
        self.0.received_at_ms.saturating_add(AHEAD_MS_MAX)
    }

    /// When the door took it in, ms since 1970.
    pub fn received_at_ms(&self) -> i64 {
        self.0.received_at_ms
    }

    /// Whether it was published again by a replay: not accepted at the door once more.
    pub fn is_replay(&self) -> bool {
        self.0.replay
    }

    /// The month of the time that its body tells, as a number such as 202611; 0 if it tells none.
    pub fn month(&self) -> i32 {
        month::month_of(&self.0.body)
    }

    /// Request headers worth keeping.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The trace it belongs to; none if no proper `traceparent` came with it.
    pub fn trace_parent(&self) -> Option<TraceParent> {
        TraceParent::parse(self.0.headers.get(TRACE_PARENT_HEADER)?)
    }

    /// The same with another place in its trace.
    pub fn with_trace_parent(mut self, parent: TraceParent) -> Self {
        let headers = &mut Arc::make_mut(&mut self.0).headers;
        headers.insert(TRACE_PARENT_HEADER.to_owned(), parent.to_string());
        self
    }

    /// The body, byte for byte as it was signed.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The same webhook, named as its body says: for one whose body could not be read at the door.
    pub fn named_by(&self, envelope: Envelope) -> Self {
        let (session, event_type) = (envelope.session, envelope.event);
        let key = WebhookKey { session, event_type, ..self.key().clone() };
        WebhookParts { key, ..(*self.0).clone() }.into()
    }

    /// The event type, parsed.
    pub fn event_type(&self) -> EventType {
        EventType::parse(&self.0.key.event_type)
    }
}

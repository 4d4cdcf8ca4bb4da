//! A webhook's body, read once, with what every family asks of it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::ids::{ID_CHARS_MAX, bare_id, engine_data, id};
use super::{NormalizeError, link};
use crate::change::{ChatKey, Link, SessionKey, Version};
use crate::waha::json::{Node, Value};
use crate::waha::message_id::MessageId;
use crate::webhook::Webhook;
use crate::webhook::envelope::is_key_text;

/// A webhook this long after what it tells is no longer fresh.
const FRESH_MS: i64 = 60_000;

/// One webhook, ready to be mapped.
pub(super) struct Body<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) root: Node<'a>,
    pub(super) payload: Node<'a>,
    pub(super) session: SessionKey,
    pub(super) version: Version,
    /// What decides who owns the message.
    pub(super) owning: Version,
    /// Which ids it shows to be one person.
    pub(super) links: BTreeSet<Link>,
}

impl<'a> Body<'a> {
    pub(super) fn new(webhook: &'a Webhook, value: &'a Value<'a>) -> Self {
        let root = Node::from(value);
        let key = webhook.key();
        let payload = root.at("payload");
        let session =
            SessionKey { source: key.source.as_str().into(), name: key.session.as_str().into() };
        let links = link::links(&session, root, payload);
        let (version, owning) = (Version::of(webhook), Version::owning(webhook));
        Self { webhook, root, payload, session, version, owning, links }
    }

    /// The phone id of a person whose LID this webhook links; else the id itself.
    pub(super) fn phone_of(&self, jid: String) -> String {
        link::phone_of(&self.links, jid)
    }

    /// WAHA's engine: GOWS bodies name it in the environment only.
    pub(super) fn engine(&self) -> Option<String> {
        self.root.at("environment").at("engine").text().or_else(|| self.root.at("engine").text())
    }

    /// Whether the engine is WhatsApp's own client in a browser.
    pub(super) fn is_browser(&self) -> bool {
        self.engine().is_some_and(|engine| engine == "WEBJS" || engine == "WPP")
    }

    /// The engine's own form of what happened; WPP tells some in a list.
    pub(super) fn data(&self) -> Node<'a> {
        engine_data(self.payload)
    }

    /// The own account, if the session is paired.
    pub(super) fn me(&self) -> Option<String> {
        id(self.root.at("me").at("id"))
    }

    /// Whether an id is the own account's, by phone number or LID.
    pub(super) fn is_me(&self, jid: &str) -> bool {
        let me = self.root.at("me");
        ["id", "lid", "jid"].into_iter().any(|form| id(me.at(form)).as_deref() == Some(jid))
    }

    /// The version of what is told with a time of its own. The webhook's while it is fresh, which
    /// is finer than seconds; later the told one, so that WAHA's repetition of something old (after
    /// a reconnect) does not replace something newer.
    pub(super) fn version_at(&self, told: Option<DateTime<Utc>>) -> Version {
        match told.map(|told| told.timestamp_millis()) {
            Some(told) if self.webhook.at_ms().saturating_sub(told) > FRESH_MS => {
                // A clock that is ahead is so in both times.
                let told = told.min(self.webhook.ordering_at_ms());
                self.banded(Version::at(told, self.webhook.key().hash()))
            }
            Some(_) | None => self.version,
        }
    }

    /// A version of a time, in the band of the webhook.
    pub(super) fn banded(&self, version: Version) -> Version {
        if self.webhook.key().is_backfill() { version.backfilled() } else { version }
    }

    /// The webhook's time, as far as it may order things.
    pub(super) fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.webhook.ordering_at_ms()).unwrap_or_default()
    }

    /// A told time that may order things: hardly after the arrival; else the webhook's own.
    pub(super) fn ordering_time(&self, told: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let latest = self.webhook.ordering_ms_max();
        told.filter(|told| told.timestamp_millis() <= latest).unwrap_or_else(|| self.at())
    }

    /// A chat of this session.
    pub(super) fn chat(&self, chat_id: String) -> ChatKey {
        ChatKey { session: self.session.clone(), chat_id }
    }

    /// The payload's message id.
    pub(super) fn message_id(&self) -> Result<MessageId, NormalizeError> {
        let text = self.payload.at("id").text();
        text.and_then(|text| MessageId::parse(&text))
            .filter(bare_id)
            .ok_or_else(|| self.missing("payload.id"))
    }

    /// The chat of a message: the second part of its id, else who it is from or to.
    pub(super) fn message_chat(&self, message: &MessageId) -> Result<ChatKey, NormalizeError> {
        let from_me = self.from_me(message);
        let (other, own) = if from_me { ("to", "from") } else { ("from", "to") };
        let told = message.chat.clone().filter(|chat| is_key_text(chat, ID_CHARS_MAX));
        told.or_else(|| id(self.payload.at(other)))
            .or_else(|| id(self.payload.at(own)))
            .map(|chat_id| self.chat(chat_id))
            .ok_or_else(|| self.missing("payload.from"))
    }

    /// Whether the own account sent the message.
    pub(super) fn from_me(&self, message: &MessageId) -> bool {
        self.payload.at("fromMe").flag().or(message.from_me).unwrap_or(false)
    }

    /// An error that names a field without which the event says nothing.
    pub(super) fn missing(&self, field: &'static str) -> NormalizeError {
        NormalizeError::Missing { event_type: self.webhook.key().event_type.clone(), field }
    }
}

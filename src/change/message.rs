//! What is told about a message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::rename::in_chat;
use super::{ChatKey, Merge, MessageStatus, Register, Version};

/// A message is known by its conversation and its bare id; all other parts of WAHA's message id
/// vary between engines and events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// The conversation.
    pub chat: ChatKey,
    /// The id that the sending client chose.
    pub message_id: String,
}

in_chat!(MessageKey: chat);

/// What is told about a message. Without a telling its row is a stub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageChange {
    /// What each author told under this id. A hostile client can repeat somebody else's id, so
    /// there can be two; the one with the lowest [`Told::first`] owns the row. Authors are `me`,
    /// in direct chats `contact`, else their ids.
    pub told: BTreeMap<String, Told>,
    /// How far it got, unless that is told of an own message of a direct chat; only forward.
    pub status: Option<MessageStatus>,
    /// Why it could not be sent, when that was last told.
    pub status_reason: Option<Register<String>>,
    /// How far an own message of a direct chat got, under whichever name that was told; only forward.
    /// Filled by the store, from [`OwnMessageChange`](super::OwnMessageChange).
    pub own_status: Option<MessageStatus>,
}

impl Merge for MessageChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: told, status_reason; forward: status, own_status);
    }
}

impl MessageChange {
    /// The author whose telling counts, and the telling.
    pub fn owner(&self) -> Option<(&str, &Told)> {
        self.told
            .iter()
            .min_by_key(|(author, told)| (told.first, author.as_str()))
            .map(|(author, told)| (author.as_str(), told))
    }
}

/// One author's telling of a message. What a telling may lack is a register apart, so that one that
/// lacks it erases nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The lowest version under which this author told it.
    pub first: Version,
    /// The message itself.
    pub content: Register<Content>,
    /// What a person reads: text, caption, or what was chosen.
    pub text: Option<Register<String>>,
    /// The name the sender chose, else the one that WhatsApp verified of a business.
    pub sender_name: Option<Register<String>>,
    /// What it replies to.
    pub reply: Option<Register<Reply>>,
    /// Its file, once WAHA has loaded it or given up.
    pub media: Option<Register<Media>>,
}

impl Merge for Told {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: content, text, sender_name, reply, media; least: first);
    }
}

/// The message itself: what the engine's form says. A telling without that form is a poorer one
/// ([`Version::poorer`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// WAHA's serialized id, for calls back to WAHA.
    pub waha_id: String,
    /// Whether the own account sent it.
    pub from_me: bool,
    /// Who sent it.
    pub sender: Option<String>,
    /// Kind of message: `text`, `image`, `location`, …
    pub kind: Cow<'static, str>,
    /// Whether WhatsApp or a client tells something, and nobody wrote it.
    pub is_notice: bool,
    /// What some kinds have beyond text, as JSON text: location, contacts, mentions, ….
    pub details: Option<String>,
    /// Whether it was forwarded, as far as anything says.
    pub is_forwarded: Option<bool>,
    /// Whether a file belongs to it, as far as anything says.
    pub has_media: Option<bool>,
    /// Sent over WAHA's API or in the app; absent in old versions.
    pub origin: Option<Origin>,
    /// The sender's time; may be absurd or absent, so nothing is ordered by it.
    pub sent_at: Option<DateTime<Utc>>,
}

/// A quoted message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Its bare id.
    pub message_id: String,
    /// Who wrote it.
    pub sender: Option<String>,
    /// What it said.
    pub text: Option<String>,
}

/// From which ad or post somebody came who wrote a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Referral {
    /// `ad`, `post` or what else WhatsApp says.
    pub source_type: Option<String>,
    /// The id of the ad or post.
    pub source_id: Option<String>,
    /// The link to it.
    pub source_url: Option<String>,
    /// The id of the click, for reports of conversions (`ctwa_clid`).
    pub click_id: Option<String>,
    /// What the ad said.
    pub headline: Option<String>,
    /// What stood below that.
    pub body: Option<String>,
    /// Where it was shown, such as `FB_Ads`.
    pub conversion_source: Option<String>,
    /// Seconds from the click to the message.
    pub conversion_delay_s: Option<i32>,
    /// How the chat was opened, such as `ctwa_ad`.
    pub entry_point: Option<String>,
    /// In which app.
    pub entry_point_app: Option<String>,
}

/// The newest telling counts.
pub type ReferralChange = Register<Referral>;

/// Where a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Through WAHA.
    Api,
    /// On a phone or another client.
    App,
}

impl Origin {
    /// Reads WAHA's word, which is also the stored one.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "api" => Some(Self::Api),
            "app" => Some(Self::App),
            _ => None,
        }
    }

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::App => "app",
        }
    }
}

/// A message's file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// Where WAHA keeps it, for 180 s by default; none when it was not loaded.
    pub url: Option<String>,
    /// May have parameters, such as `audio/ogg; codecs=opus`.
    pub mime_type: Option<String>,
    /// Chosen by the sender: never use it as a path.
    pub file_name: Option<String>,
    /// Why WAHA could not load it.
    pub error: Option<String>,
    /// SHA-256 of its content in hex, as the sender's client told it.
    pub sha256: Option<String>,
}

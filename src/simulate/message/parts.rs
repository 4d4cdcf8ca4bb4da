//! The parts of a message that all engines share: media, location, contact cards, quoted
//! messages, and the made-up key material that gives `_data` its size.

use super::{Content, Message, Shot};
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::people::Person;
use crate::simulate::seeded_rng::{Purpose, SeededRng};
use crate::simulate::session::{Age, Engine, Session};

/// Random material of one message, the same in each of its events.
pub(super) struct Keys {
    pub(super) media_key: String,
    pub(super) sha256: String,
    pub(super) enc_sha256: String,
    pub(super) secret: String,
    pub(super) sender_hash: String,
    pub(super) recipient_hash: String,
    /// A small picture; only where there is something to see.
    pub(super) thumbnail: String,
    pub(super) bytes: u64,
    /// 0 to 999: how the download went.
    download: u64,
}

impl Keys {
    pub(super) fn of(seed: u64, message: &Message) -> Self {
        let mut rng = SeededRng::of(seed, message.turn, Purpose::Data);
        let thumbnail_bytes = match message.content {
            Content::Image { .. } => 500 + rng.below(1_200),
            Content::Link { .. } | Content::Location { .. } => 400 + rng.below(600),
            Content::Document { .. } => 300 + rng.below(500),
            Content::Text(_)
            | Content::Voice { .. }
            | Content::Contact(_)
            | Content::Poll { .. }
            | Content::Special(_)
            | Content::Edit { .. }
            | Content::Revoke { .. } => 0,
        };
        let mut keys = Self {
            media_key: rng.base64(32),
            sha256: rng.base64(32),
            enc_sha256: rng.base64(32),
            secret: rng.base64(32),
            sender_hash: rng.base64(10),
            recipient_hash: rng.base64(10),
            thumbnail: rng.base64(usize::try_from(thumbnail_bytes).unwrap_or(0)),
            bytes: 4_000 + rng.below(400_000),
            download: rng.below(1_000),
        };
        if let (Some(attached), true) = (&message.file, message.content.mimetype().is_some()) {
            keys.sha256 = attached.sha256();
            keys.bytes = attached.file().bytes();
        }
        keys
    }

    pub(super) const fn outcome(&self) -> Download {
        match self.download {
            0..=9 => Download::Gone,
            10..=19 => Download::TimedOut,
            20..=59 => Download::Skipped,
            _ => Download::Done,
        }
    }
}

/// What came of a download when the message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Download {
    Done,
    /// The server is told not to download such files.
    Skipped,
    /// It failed, and works when it is tried again.
    TimedOut,
    /// It fails for ever: WhatsApp has the file no more.
    Gone,
}

/// What is told of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaTelling {
    /// What came of the download when the message came.
    AsReceived,
    /// It was not asked for.
    NotAsked,
    Link,
    Skipped,
    Gone,
}

impl Shot<'_> {
    /// WAHA's `media`: mostly a link, now and then skipped or failed.
    pub(super) fn media(&self) -> Option<Obj> {
        let mimetype = self.message.content.mimetype()?;
        let received = self.media == MediaTelling::AsReceived;
        let has_link = match self.media {
            MediaTelling::NotAsked => return None,
            MediaTelling::AsReceived => self.keys.outcome() == Download::Done,
            MediaTelling::Link => true,
            MediaTelling::Skipped | MediaTelling::Gone => false,
        };
        let url = has_link.then(|| self.media_url());
        let stored = url.is_some() && self.in_bucket();
        let media = obj! {
            "url": url, "filename": self.message.content.file_name(), "mimetype": mimetype,
        }
        .with_some("s3", stored.then(|| obj! { "Bucket": "waha", "Key": self.file() }));
        Some(match self.keys.outcome() {
            Download::Gone | Download::TimedOut if received => {
                media.with("error", obj! { "details": "Error: download timed out" })
            }
            _ if self.media == MediaTelling::Gone => media.with("error", self.gone()),
            _ => media,
        })
    }

    /// The engine's own error when WhatsApp has a file no more.
    fn gone(&self) -> Obj {
        match self.session.engine {
            Engine::Gows => obj! {
                "code": 13, "metadata": Obj::new(),
                "details": "Error: 13 INTERNAL: failed to download media: download failed with \
                            status code 403\n    at callErrorFromStatus (...)",
            },
            Engine::Noweb | Engine::Webjs | Engine::Wpp => {
                let payload = obj! {
                    "statusCode": 410, "error": "Gone",
                    "message": "Failed to fetch stream from https://mmg.whatsapp.net/...",
                };
                let output = obj! { "statusCode": 410, "payload": payload, "headers": Obj::new() };
                obj! {
                    "data": obj! { "url": "https://mmg.whatsapp.net/v/t62.7118-24/example.enc" },
                    "isBoom": true, "isServer": false, "output": output,
                    "details": "Error: Failed to fetch stream ...",
                }
            }
        }
    }

    /// Whether the session keeps its media in a bucket instead of on WAHA's disk.
    fn in_bucket(&self) -> bool {
        if let Some(attached) = &self.message.file {
            return attached.is_in_bucket();
        }
        self.session.engine == Engine::Gows && self.session.age == Age::Spring
    }

    fn media_url(&self) -> String {
        if let Some(attached) = &self.message.file {
            return attached.link(&self.file());
        }
        if self.in_bucket() {
            return format!("https://s3.example.com/waha/{}?X-Amz-Expires=604800", self.file());
        }
        format!("http://localhost:3000/api/files/{}", self.file())
    }

    /// Folder and name of the file.
    fn file(&self) -> String {
        file_name(self.session, self.message)
    }

    /// WAHA's `location`, whose coordinates are text.
    pub(super) fn location(&self) -> Option<Obj> {
        let Content::Location { latitude, longitude, name } = &self.message.content else {
            return None;
        };
        Some(obj! {
            "live": false, "latitude": latitude.to_string(), "longitude": longitude.to_string(),
            "name": name, "address": "1 Example Way", "thumbnail": &self.keys.thumbnail,
        })
    }

    pub(super) fn vcards(&self) -> Option<Vec<String>> {
        let Content::Contact(person) = self.message.content else { return None };
        Some(vec![vcard(person)])
    }

    /// WAHA's `replyTo`; WPP names the message by its whole id.
    pub(super) fn reply_to(&self) -> Option<Obj> {
        let quote = self.message.quote.as_ref()?;
        let mut id = quote.bare_id.clone();
        if self.session.engine == Engine::Wpp {
            let mine = quote.author == self.session.account;
            id = super::head(self.session, self.message.chat, quote.author, mine, &id).id;
        }
        let quoted = match self.session.engine {
            Engine::Noweb | Engine::Gows => obj! { "conversation": &quote.text },
            Engine::Webjs | Engine::Wpp => obj! { "type": "chat", "body": &quote.text },
        };
        Some(obj! {
            "id": id, "participant": quote.author.id(self.message.chat.form()),
            "body": &quote.text, "hasMedia": false, "media": Null, "_data": quoted,
        })
    }
}

impl Content {
    fn file_name(&self) -> Option<&str> {
        let Self::Document { name, .. } = self else { return None };
        Some(name)
    }
}

/// Folder and name of a message's file.
pub(super) fn file_name(session: &Session, message: &Message) -> String {
    let extension = match message.content.mimetype() {
        Some("image/jpeg") => "jpeg",
        Some("application/pdf") => "pdf",
        Some("video/mp4") => "mp4",
        Some("image/webp") => "webp",
        _ => "oga",
    };
    // Without files nobody asks, and what was always told stays.
    let is_whole = match session.engine {
        Engine::Webjs => true,
        Engine::Wpp => message.file.is_some(),
        Engine::Noweb | Engine::Gows => false,
    };
    let name = if is_whole { message.head(session).id } else { message.bare_id.clone() };
    format!("{}/{name}.{extension}", session.name)
}

pub(super) fn vcard(person: Person) -> String {
    let (name, phone) = (person.name(), person.phone());
    format!(
        "BEGIN:VCARD\nVERSION:3.0\nN:;{name};;;\nFN:{name}\nTEL;type=CELL;waid={phone}:+{phone}\nEND:VCARD"
    )
}

pub(crate) const fn ack_name(ack: i64) -> &'static str {
    match ack {
        0 => "PENDING",
        1 => "SERVER",
        2 => "DEVICE",
        3 => "READ",
        4 => "PLAYED",
        _ => "ERROR",
    }
}

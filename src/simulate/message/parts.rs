//! The parts of a message that all engines share: media, location, contact cards, quoted
//! messages, and the made-up key material that gives `_data` its size.

use super::{Content, Message, Shot};
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::people::Person;
use crate::simulate::seeded_rng::{Purpose, SeededRng};
use crate::simulate::session::{Age, Engine};

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
            | Content::Edit { .. }
            | Content::Revoke { .. } => 0,
        };
        Self {
            media_key: rng.base64(32),
            sha256: rng.base64(32),
            enc_sha256: rng.base64(32),
            secret: rng.base64(32),
            sender_hash: rng.base64(10),
            recipient_hash: rng.base64(10),
            thumbnail: rng.base64(usize::try_from(thumbnail_bytes).unwrap_or(0)),
            bytes: 4_000 + rng.below(400_000),
            download: rng.below(1_000),
        }
    }
}

impl Shot<'_> {
    /// WAHA's `media`: mostly a link, now and then skipped or failed.
    pub(super) fn media(&self) -> Option<Obj> {
        let mimetype = self.message.content.mimetype()?;
        let url = (self.keys.download >= 60).then(|| self.media_url());
        let stored = url.is_some() && self.in_bucket();
        let media = obj! {
            "url": url, "filename": self.message.content.file_name(), "mimetype": mimetype,
        }
        .with_some("s3", stored.then(|| obj! { "Bucket": "waha", "Key": self.file() }));
        Some(match self.keys.download {
            0..=19 => media.with("error", obj! { "details": "Error: download timed out" }),
            _ => media,
        })
    }

    /// Whether the session keeps its media in a bucket instead of on WAHA's disk.
    fn in_bucket(&self) -> bool {
        self.session.engine == Engine::Gows && self.session.age == Age::Spring
    }

    fn media_url(&self) -> String {
        if self.in_bucket() {
            return format!("https://s3.example.com/waha/{}?X-Amz-Expires=604800", self.file());
        }
        format!("http://localhost:3000/api/files/{}", self.file())
    }

    /// Folder and name of the file.
    fn file(&self) -> String {
        let extension = match self.message.content.mimetype() {
            Some("image/jpeg") => "jpeg",
            Some("application/pdf") => "pdf",
            _ => "oga",
        };
        let name = if self.session.engine == Engine::Webjs {
            self.message.head(self.session).id
        } else {
            self.message.bare_id.clone()
        };
        format!("{}/{name}.{extension}", self.session.name)
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

//! The kind of a message, which WAHA does not name: it is derived from the engine's own form.

pub(super) mod form;
pub(super) mod proto;
pub(super) mod web;

use super::fields::Field;
use crate::waha::json::Node;

/// Kinds that nobody wrote: WhatsApp or a client tells something.
const NOTICES: [&str; 3] = ["system", "pin", "call_log"];

/// What the engine's form says of a message.
#[derive(Default)]
pub(super) struct Kind<'a> {
    /// Our word for it.
    pub(super) name: &'static str,
    /// The name of the kind's own part of the details; empty when it stands beside the others.
    pub(super) part: &'static str,
    /// What that part takes out of `form`.
    pub(super) fields: &'static [Field],
    /// The engine's form of what this kind has.
    pub(super) form: Node<'a>,
    /// Where the engine keeps `isForwarded` and the like.
    pub(super) context: Node<'a>,
    /// Who is mentioned.
    pub(super) mentions: Node<'a>,
    /// To be seen once only.
    pub(super) is_view_once: bool,
    /// To vanish after so many seconds.
    pub(super) expires_after_s: Option<i64>,
    /// The payload's `body` is no text but a thumbnail or a contact card.
    pub(super) body_is_no_text: bool,
    /// The bare id of the album that it belongs to.
    pub(super) album: Option<String>,
    /// Whether the engine's form names a file.
    pub(super) has_file: bool,
    /// What says so.
    pub(super) told_by: ToldBy,
}

/// What says which kind a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ToldBy {
    /// The engine's form.
    #[default]
    Engine,
    /// WAHA's common fields alone, which say less.
    CommonFields,
}

impl Kind<'_> {
    /// Whether nobody wrote it.
    pub(super) fn is_notice(&self) -> bool {
        NOTICES.contains(&self.name)
    }
}

/// The kind of a payload.
pub(super) fn of(payload: Node<'_>) -> Kind<'_> {
    let data = payload.at("_data").first();
    proto::kind(data).or_else(|| web::kind(data)).unwrap_or_else(|| by_common_fields(payload))
}

/// Some consumers get no engine form at all: then the common fields must do.
fn by_common_fields(payload: Node<'_>) -> Kind<'_> {
    // To be seen once, and seen elsewhere: NOWEB gets the key alone.
    let is_view_once = payload.path("_data.key.isViewOnce").flag() == Some(true);
    let mime_type = payload.at("media").at("mimetype").str().unwrap_or_default();
    let name = match mime_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        Some(family) if !family.is_empty() => "document",
        _ if payload.at("location").is_there() => "location",
        _ if payload.at("vCards").items().next().is_some() => "contacts",
        _ if payload.at("body").is_there() => "text",
        _ if is_view_once => "view_once",
        _ => "other",
    };
    Kind {
        name,
        form: payload,
        context: payload.at("contextInfo"),
        mentions: payload.at("mentions"),
        is_view_once,
        told_by: ToldBy::CommonFields,
        ..Kind::default()
    }
}

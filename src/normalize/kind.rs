//! The kind of a message, which WAHA does not name: it is derived from the engine's own form.

use crate::waha::json::Node;

/// What the engine's form says of a message.
pub(super) struct Kind<'a> {
    /// Our word for it.
    pub(super) name: &'static str,
    /// Where the engine keeps `isForwarded` and the like.
    pub(super) context: Node<'a>,
    /// Who is mentioned.
    pub(super) mentions: Node<'a>,
}

/// Wrappers around the real message (Baileys and whatsmeow).
const WRAPPERS: [&str; 8] = [
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "deviceSentMessage",
    "lottieStickerMessage",
];
/// Wrappers around wrappers are followed this far.
const WRAPPERS_MAX: usize = 4;

/// Field of the protobuf message (NOWEB, GOWS) -> our word.
const PROTO_KINDS: [(&str, &str); 31] = [
    ("conversation", "text"),
    ("extendedTextMessage", "text"),
    ("imageMessage", "image"),
    ("videoMessage", "video"),
    ("ptvMessage", "video"),
    ("audioMessage", "audio"),
    ("documentMessage", "document"),
    ("stickerMessage", "sticker"),
    ("locationMessage", "location"),
    ("liveLocationMessage", "location"),
    ("contactMessage", "contacts"),
    ("contactsArrayMessage", "contacts"),
    ("pollCreationMessage", "poll"),
    ("pollCreationMessageV2", "poll"),
    ("pollCreationMessageV3", "poll"),
    ("pollCreationMessageV5", "poll"),
    ("listMessage", "list"),
    ("listResponseMessage", "list_response"),
    ("buttonsMessage", "buttons"),
    ("buttonsResponseMessage", "buttons_response"),
    ("templateMessage", "template"),
    ("templateButtonReplyMessage", "buttons_response"),
    ("interactiveMessage", "interactive"),
    ("interactiveResponseMessage", "interactive_response"),
    ("orderMessage", "order"),
    ("productMessage", "product"),
    ("eventMessage", "event"),
    ("groupInviteMessage", "group_invite"),
    ("albumMessage", "album"),
    ("pinInChatMessage", "pin"),
    ("protocolMessage", "system"),
];

/// WhatsApp Web's `type` (WEBJS, WPP) -> our word.
const WEB_KINDS: [(&str, &str); 31] = [
    ("chat", "text"),
    ("image", "image"),
    ("video", "video"),
    ("gif", "video"),
    ("ptv", "video"),
    ("audio", "audio"),
    ("ptt", "voice"),
    ("document", "document"),
    ("sticker", "sticker"),
    ("location", "location"),
    ("vcard", "contacts"),
    ("multi_vcard", "contacts"),
    ("poll_creation", "poll"),
    ("list", "list"),
    ("list_response", "list_response"),
    ("buttons", "buttons"),
    ("buttons_response", "buttons_response"),
    ("template_button_reply", "buttons_response"),
    ("interactive", "interactive"),
    ("interactive_response", "interactive_response"),
    ("order", "order"),
    ("product", "product"),
    ("event_creation", "event"),
    ("groups_v4_invite", "group_invite"),
    ("album", "album"),
    ("pinned_message", "pin"),
    ("revoked", "revoked"),
    ("ciphertext", "waiting"),
    ("e2e_notification", "system"),
    ("notification_template", "system"),
    ("gp2", "system"),
];

/// The kind of a payload.
pub(super) fn of(payload: Node<'_>) -> Kind<'_> {
    let data = payload.at("_data");
    let proto = unwrap(data.at_any(&["message", "Message"]));
    by_proto(proto).or_else(|| by_web(data)).unwrap_or_else(|| by_common_fields(payload))
}

fn unwrap(message: Node<'_>) -> Node<'_> {
    let mut message = message;
    for _ in 0..WRAPPERS_MAX {
        let wrapper = message.at_any(&WRAPPERS);
        match wrapper.at("message") {
            inner if inner.is_there() => message = inner,
            _ => break,
        }
    }
    message
}

fn by_proto(message: Node<'_>) -> Option<Kind<'_>> {
    let (field, name) = PROTO_KINDS.into_iter().find(|(field, _)| message.at(field).is_there())?;
    let inner = message.at(field);
    let context = inner.at("contextInfo");
    let is_voice = name == "audio" && inner.at_any(&["ptt", "PTT"]).flag() == Some(true);
    let mentions = context.at_any(&["mentionedJid", "mentionedJID"]);
    Some(Kind { name: if is_voice { "voice" } else { name }, context, mentions })
}

fn by_web(data: Node<'_>) -> Option<Kind<'_>> {
    let told = data.at("type").str()?;
    let name =
        WEB_KINDS.into_iter().find(|(kind, _)| *kind == told).map_or("other", |(_, name)| name);
    Some(Kind { name, context: data, mentions: data.at("mentionedJidList") })
}

/// Some consumers get no engine form at all: then the common fields must do.
fn by_common_fields(payload: Node<'_>) -> Kind<'_> {
    let mime_type = payload.at("media").at("mimetype").str().unwrap_or_default();
    let name = match mime_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        Some(family) if !family.is_empty() => "document",
        _ if payload.at("location").is_there() => "location",
        _ if payload.at("vCards").items().next().is_some() => "contacts",
        _ if payload.at("body").is_there() => "text",
        _ => "other",
    };
    Kind { name, context: payload.at("contextInfo"), mentions: payload.at("mentions") }
}

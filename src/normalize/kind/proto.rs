//! Kinds of NOWEB and GOWS: the protobuf message, in the spelling of Baileys or whatsmeow.

use super::Kind;
use super::form;
use crate::normalize::fields::Field;
use crate::waha::json::Node;

/// Wrappers around the real message.
const WRAPPERS: [&str; 12] = [
    "ephemeralMessage",
    VIEW_ONCE[0],
    VIEW_ONCE[1],
    VIEW_ONCE[2],
    "documentWithCaptionMessage",
    "editedMessage",
    "deviceSentMessage",
    "lottieStickerMessage",
    "associatedChildMessage",
    "botInvokeMessage",
    "groupMentionedMessage",
    "pollCreationMessageV4",
];
const VIEW_ONCE: [&str; 3] = ["viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"];
/// Wrappers around wrappers are followed this far.
const WRAPPERS_MAX: usize = 4;

/// Field of the message -> our word, the name of its part in the details (none: beside the others),
/// and what that holds.
const KINDS: [(&str, &str, &str, &[Field]); 40] = [
    ("conversation", "text", "", &[]),
    ("extendedTextMessage", "text", "link", form::LINK),
    ("imageMessage", "image", "file", form::FILE),
    ("videoMessage", "video", "file", form::FILE),
    ("ptvMessage", "video", "file", form::FILE),
    ("audioMessage", "audio", "file", form::FILE),
    ("documentMessage", "document", "file", form::FILE),
    ("stickerMessage", "sticker", "file", form::FILE),
    ("stickerPackMessage", "sticker_pack", "file", form::FILE),
    ("locationMessage", "location", "location", form::LOCATION),
    ("liveLocationMessage", "location", "location", form::LOCATION),
    ("contactMessage", "contacts", "", form::CONTACT),
    ("contactsArrayMessage", "contacts", "", form::CONTACTS),
    ("pollCreationMessage", "poll", "poll", form::POLL),
    ("pollCreationMessageV2", "poll", "poll", form::POLL),
    ("pollCreationMessageV3", "poll", "poll", form::POLL),
    ("pollCreationMessageV5", "poll", "poll", form::POLL),
    ("pollResultSnapshotMessage", "poll_result", "poll", form::POLL),
    ("listMessage", "list", "list", form::LIST),
    ("listResponseMessage", "list_response", "chosen", form::LIST_RESPONSE),
    ("buttonsMessage", "buttons", "buttons", form::BUTTONS),
    ("buttonsResponseMessage", "buttons_response", "chosen", form::BUTTONS_RESPONSE),
    ("templateButtonReplyMessage", "buttons_response", "chosen", form::TEMPLATE_REPLY),
    ("templateMessage", "template", "template", form::TEMPLATE),
    ("interactiveMessage", "interactive", "interactive", form::INTERACTIVE),
    ("interactiveResponseMessage", "interactive_response", "chosen", form::INTERACTIVE_RESPONSE),
    ("orderMessage", "order", "order", form::ORDER),
    ("productMessage", "product", "product", form::PRODUCT),
    ("invoiceMessage", "invoice", "", &[]),
    ("sendPaymentMessage", "payment", "", &[]),
    ("requestPaymentMessage", "payment_request", "", &[]),
    ("eventMessage", "event", "event", form::EVENT),
    ("groupInviteMessage", "group_invite", "invite", form::GROUP_INVITE),
    ("newsletterAdminInviteMessage", "channel_invite", "invite", form::CHANNEL_INVITE),
    ("albumMessage", "album", "album", form::ALBUM),
    ("pinInChatMessage", "pin", "pin", form::PIN),
    ("callLogMesssage", "call_log", "", &[]),
    ("protocolMessage", "system", "system", form::SYSTEM),
    ("placeholderMessage", "waiting", "", &[]),
    ("commentMessage", "comment", "", &[]),
];

/// The kind of a message in `_data`, if it has one in this form.
pub(super) fn kind(data: Node<'_>) -> Option<Kind<'_>> {
    let outer = data.at_any(&["message", "Message"]);
    let message = unwrap(outer);
    let (field, name, part, fields) =
        KINDS.into_iter().find(|(field, ..)| message.at(field).is_there())?;
    let form = message.at(field);
    let context = form.at("contextInfo");
    let is_voice = name == "audio" && form.at_any(&["ptt", "PTT"]).flag() == Some(true);
    Some(Kind {
        name: if is_voice { "voice" } else { name },
        part,
        fields,
        form,
        context,
        mentions: context.at_any(&["mentionedJid", "mentionedJID"]),
        is_view_once: is_view_once(data, outer, form),
        expires_after_s: context.at("expiration").int().filter(|seconds| *seconds > 0),
        body_is_no_text: false,
    })
}

fn unwrap(message: Node<'_>) -> Node<'_> {
    let mut message = message;
    for _ in 0..WRAPPERS_MAX {
        match message.at_any(&WRAPPERS).at("message") {
            inner if inner.is_there() => message = inner,
            _ => break,
        }
    }
    message
}

/// whatsmeow unwraps by itself and remembers what it took off.
fn is_view_once(data: Node<'_>, outer: Node<'_>, form: Node<'_>) -> bool {
    let flags = [data.at("IsViewOnce"), data.at("IsViewOnceV2"), form.at("viewOnce")];
    let inner = outer.at("ephemeralMessage").at("message");
    [outer, inner].into_iter().any(|node| node.at_any(&VIEW_ONCE).is_there())
        || flags
            .into_iter()
            .chain([data.at("key").at("isViewOnce")])
            .any(|it| it.flag() == Some(true))
}

//! Kinds of NOWEB and GOWS: the protobuf message, in the spelling of Baileys or whatsmeow.

use super::{Kind, form};
use crate::normalize::fields::Field;
use crate::waha::json::Node;

/// Wrappers whose message is to be seen once.
const VIEW_ONCE: [&str; 3] = ["viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"];
/// Tells another device of the account to whom a message went, beside the message.
const DEVICE_SENT: &str = "deviceSentMessage";
/// Wrappers around wrappers are followed this far.
const WRAPPERS_MAX: usize = 8;
/// What stands beside a message and is none.
const BESIDE: [&str; 3] = [
    "messageContextInfo",
    "senderKeyDistributionMessage",
    "fastRatchetKeySenderKeyDistributionMessage",
];

/// Field of the message -> our word, the name of its part in the details (none: beside the others),
/// and what that holds.
const KINDS: [(&str, &str, &str, &[Field]); 48] = [
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
    ("highlyStructuredMessage", "template", "template", form::TEMPLATE),
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
    ("newsletterFollowerInviteMessageV2", "channel_invite", "invite", form::CHANNEL_INVITE),
    ("albumMessage", "album", "album", form::ALBUM),
    ("pinInChatMessage", "pin", "pin", form::PIN),
    ("callLogMesssage", "call_log", "call", form::CALL_LOG),
    ("callLogMessage", "call_log", "call", form::CALL_LOG),
    ("scheduledCallCreationMessage", "scheduled_call", "call", form::SCHEDULED_CALL),
    ("richResponseMessage", "rich_response", "", &[]),
    ("questionResponseMessage", "question_response", "answered", form::ANSWER),
    ("statusQuestionAnswerMessage", "question_response", "answered", form::ANSWER),
    ("requestPhoneNumberMessage", "phone_request", "", &[]),
    ("protocolMessage", "system", "system", form::SYSTEM),
    ("placeholderMessage", "waiting", "", &[]),
    ("commentMessage", "comment", "", &[]),
];

/// A message inside its wrappers.
pub(in crate::normalize) struct Inner<'a> {
    pub(in crate::normalize) message: Node<'a>,
    is_view_once: bool,
}

/// The message in `_data`, without what is wrapped around it.
pub(in crate::normalize) fn inner(data: Node<'_>) -> Inner<'_> {
    unwrap(data.at_any(&["message", "Message"]))
}

/// A message without what is wrapped around it.
pub(in crate::normalize) fn unwrapped(message: Node<'_>) -> Node<'_> {
    unwrap(message).message
}

fn unwrap(message: Node<'_>) -> Inner<'_> {
    let mut inner = Inner { message, is_view_once: false };
    for _ in 0..WRAPPERS_MAX {
        let Some((wrapper, message)) = wrapped(inner.message) else { break };
        inner.is_view_once |= VIEW_ONCE.contains(&wrapper);
        inner.message = message;
    }
    inner
}

/// A field that holds nothing but a message: a wrapper, whatever its name.
fn wrapped(message: Node<'_>) -> Option<(&str, Node<'_>)> {
    message.fields().find_map(|name| {
        let field = message.at(name);
        let inner = field.at("message");
        let told = field.fields().filter(|beside| field.at(beside).is_there()).count();
        let is_wrapper = told == 1 || name == DEVICE_SENT;
        (is_wrapper && inner.fields().next().is_some()).then_some((name, inner))
    })
}

/// What a message is made of, beside keys and the like.
pub(in crate::normalize) fn parts(message: Node<'_>) -> impl Iterator<Item = &str> {
    let is_part = move |name: &&str| !BESIDE.contains(name) && message.at(name).is_there();
    message.fields().filter(is_part)
}

/// The kind of a message in `_data`, if it has one in this form.
pub(super) fn kind(data: Node<'_>) -> Option<Kind<'_>> {
    let outer = data.at_any(&["message", "Message"]);
    let Inner { message, is_view_once } = inner(data);
    let Some(mut kind) = of_message(message) else { return stub(data) };
    kind.is_view_once |= is_view_once || is_marked_view_once(data);
    let beside = [message, outer].map(|it| it.at("messageContextInfo").at("messageAssociation"));
    kind.album = beside.into_iter().find_map(album);
    Some(kind)
}

/// The kind of a message without wrappers; none if there is nothing in it.
pub(in crate::normalize) fn of_message(message: Node<'_>) -> Option<Kind<'_>> {
    let found = KINDS.into_iter().find(|(field, ..)| message.at(field).is_there());
    let nothing: &'static [Field] = &[];
    let other = || Some((parts(message).next()?, "other", "", nothing));
    let (field, name, part, fields) = found.or_else(other)?;
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
        is_view_once: form.at("viewOnce").flag() == Some(true),
        expires_after_s: context.at("expiration").int().filter(|seconds| *seconds > 0),
        has_file: has_file(form, part),
        ..Kind::default()
    })
}

/// Whether WhatsApp keeps a file for it: WAHA does not say so of every kind.
fn has_file(form: Node<'_>, part: &str) -> bool {
    let heads = ["", "hydratedTemplate.", "hydratedFourRowTemplate.", "header."];
    let files = ["imageMessage", "videoMessage", "documentMessage"];
    let inside = |head: &str| {
        files.iter().any(|file| form.oneof_path(&format!("{head}{file}.mimetype")).is_there())
    };
    (part == "file" && form.at("mimetype").is_there()) || heads.into_iter().any(inside)
}

/// The bare id of the album that a picture belongs to.
fn album(association: Node<'_>) -> Option<String> {
    let kind = association.at("associationType").text()?;
    let is_album = kind == "MEDIA_ALBUM" || kind == "1";
    association.path("parentMessageKey.id").text().filter(|_| is_album)
}

/// Baileys tells what it could not decrypt, and what WhatsApp says of a group, as a stub of a message;
/// whatsmeow asks for what it could not decrypt.
fn stub(data: Node<'_>) -> Option<Kind<'_>> {
    let told = data.at("messageStubType").text();
    let told = told.or_else(|| data.at("UnavailableRequestID").text().map(|_| "CIPHERTEXT".into()));
    let (name, part, fields): (_, _, &[Field]) = match told?.as_str() {
        "0" | "UNKNOWN" => return None,
        "1" | "REVOKE" => ("revoked", "", &[]),
        "2" | "CIPHERTEXT" => ("waiting", "", &[]),
        _ => ("system", "system", form::STUB),
    };
    Some(Kind { name, part, fields, form: data, ..Kind::default() })
}

/// whatsmeow unwraps by itself and remembers what it took off; Baileys says it in the key.
fn is_marked_view_once(data: Node<'_>) -> bool {
    let flags = [data.at("IsViewOnce"), data.at("IsViewOnceV2"), data.at("key").at("isViewOnce")];
    flags.into_iter().any(|it| it.flag() == Some(true))
}

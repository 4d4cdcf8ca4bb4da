//! Kinds of WEBJS and WPP: WhatsApp Web's raw message, told apart by its `type`.

use super::{Kind, form};
use crate::normalize::fields::{Field, Is, field};
use crate::waha::json::Node;

/// `type` -> our word, the name of its part in the details, and what that holds.
const KINDS: [(&str, &str, &str, &[Field]); 51] = [
    ("chat", "text", "link", LINK),
    ("image", "image", "file", FILE),
    ("video", "video", "file", FILE),
    ("gif", "video", "file", FILE),
    ("ptv", "video", "file", FILE),
    ("audio", "audio", "file", FILE),
    ("ptt", "voice", "file", FILE),
    ("document", "document", "file", FILE),
    ("sticker", "sticker", "file", FILE),
    ("sticker-pack", "sticker_pack", "", &[]),
    ("location", "location", "location", LOCATION),
    ("vcard", "contacts", "", CARD),
    ("multi_vcard", "contacts", "", CARDS),
    ("poll_creation", "poll", "poll", POLL),
    ("poll_result_snapshot", "poll_result", "poll", POLL),
    ("list", "list", "list", LIST),
    ("list_response", "list_response", "chosen", LIST_RESPONSE),
    ("buttons", "buttons", "buttons", BUTTONS),
    ("buttons_response", "buttons_response", "chosen", BUTTONS_RESPONSE),
    ("template_button_reply", "buttons_response", "chosen", BUTTONS_RESPONSE),
    ("interactive", "interactive", "interactive", INTERACTIVE),
    ("native_flow", "interactive", "interactive", INTERACTIVE),
    ("interactive_response", "interactive_response", "chosen", BUTTONS_RESPONSE),
    ("order", "order", "order", form::ORDER),
    ("product", "product", "product", PRODUCT),
    ("payment", "payment", "", &[]),
    ("event_creation", "event", "event", EVENT),
    ("groups_v4_invite", "group_invite", "invite", GROUP_INVITE),
    ("newsletter_admin_invite", "channel_invite", "", &[]),
    ("hsm", "template", "template", TEMPLATE),
    ("rich_response", "rich_response", "", &[]),
    ("question", "text", "", &[]),
    ("question_reply", "text", "", &[]),
    ("question_response", "question_response", "", &[]),
    ("request_phone_number", "phone_request", "", &[]),
    ("scheduled_call_creation", "scheduled_call", "", &[]),
    ("album", "album", "album", ALBUM),
    ("pinned_message", "pin", "pin", PIN),
    ("comment", "comment", "", &[]),
    ("revoked", "revoked", "", &[]),
    ("ciphertext", "waiting", "", &[]),
    ("call_log", "call_log", "call", CALL_LOG),
    ("e2e_notification", "system", "system", SYSTEM),
    ("notification_template", "system", "system", SYSTEM),
    ("notification", "system", "system", SYSTEM),
    ("gp2", "system", "system", SYSTEM),
    ("newsletter_notification", "system", "system", SYSTEM),
    ("broadcast_notification", "system", "system", SYSTEM),
    ("status_notification", "system", "system", SYSTEM),
    ("debug", "system", "system", SYSTEM),
    ("protocol", "system", "system", SYSTEM),
];

const LINK: &[Field] = &[
    field("url", &["matchedText", "canonicalUrl"], Is::Text),
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
];
const FILE: &[Field] = &[
    field("seconds", &["duration"], Is::Int),
    field("bytes", &["size"], Is::Int),
    field("width", &["width"], Is::Int),
    field("height", &["height"], Is::Int),
    field("pages", &["pageCount"], Is::Int),
    field("gif", &["isGif"], Is::Flag),
    field("animated", &["isAnimated"], Is::Flag),
];
const LOCATION: &[Field] = &[
    field("latitude", &["lat"], Is::Degrees),
    field("longitude", &["lng"], Is::Degrees),
    field("name", &["loc"], Is::Line),
    field("address", &["loc"], Is::OtherLines),
    field("url", &["clientUrl"], Is::Text),
];
const CARD: &[Field] = &[field("contacts", &["vcard", "body"], Is::Texts(""))];
const CARDS: &[Field] = &[field("contacts", &["vcardList"], Is::Texts("vcard"))];
const POLL: &[Field] = &[
    field("name", &["pollName"], Is::Text),
    field("options", &["pollOptions"], Is::Texts("name")),
    field("selectable_count", &["pollSelectableOptionsCount"], Is::Int),
];
const LIST: &[Field] = &[
    field("title", &["list.title"], Is::Text),
    field("description", &["list.description"], Is::Text),
    field("footer", &["list.footerText", "footer"], Is::Text),
    field("button", &["list.buttonText"], Is::Text),
    field("sections", &["list.sections"], Is::List(form::SECTION)),
];
const LIST_RESPONSE: &[Field] = &[
    field("id", &["listResponse.singleSelectReply.selectedRowId"], Is::Text),
    field("title", &["listResponse.title"], Is::Text),
    field("description", &["listResponse.description"], Is::Text),
];
const BUTTONS: &[Field] = &[
    field("header", &["title"], Is::Text),
    field("footer", &["footer"], Is::Text),
    field("buttons", &["dynamicReplyButtons", "hydratedButtons"], Is::List(form::BUTTON)),
];
const BUTTONS_RESPONSE: &[Field] = &[
    field("id", &["selectedButtonId", "selectedId"], Is::Text),
    field("title", &["body"], Is::Text),
];
const INTERACTIVE: &[Field] = &[
    field("title", &["interactiveHeader.title", "title"], Is::Text),
    field("footer", &["footer"], Is::Text),
    field("buttons", &["interactivePayload.buttons"], Is::List(form::BUTTON)),
];
const PRODUCT: &[Field] = &[
    field("id", &["productId"], Is::Text),
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
    field("price", &["priceAmount1000"], Is::Thousandths),
    field("currency", &["currencyCode"], Is::Text),
    field("retailer_id", &["retailerId"], Is::Text),
    field("url", &["url"], Is::Text),
    field("seller", &["businessOwnerJid"], Is::Jid),
];
const EVENT: &[Field] = &[
    field("name", &["eventName"], Is::Text),
    field("description", &["eventDescription"], Is::Text),
    field("starts_at", &["eventStartTime"], Is::Time),
    field("ends_at", &["eventEndTime"], Is::Time),
    field("place", &["eventLocation.name"], Is::Text),
    field("address", &["eventLocation.address"], Is::Text),
    field("latitude", &["eventLocation.degreesLatitude"], Is::Degrees),
    field("longitude", &["eventLocation.degreesLongitude"], Is::Degrees),
    field("link", &["eventJoinLink"], Is::Text),
    field("canceled", &["isEventCanceled"], Is::Flag),
];
const GROUP_INVITE: &[Field] = &[
    field("chat", &["inviteGrp"], Is::Jid),
    field("name", &["inviteGrpName"], Is::Text),
    field("code", &["inviteCode"], Is::Text),
    field("expires_at", &["inviteCodeExp"], Is::Time),
    field("caption", &["comment"], Is::Text),
];
const ALBUM: &[Field] = &[
    field("images", &["expectedImageCount", "albumExpectedImageCount"], Is::Int),
    field("videos", &["expectedVideoCount", "albumExpectedVideoCount"], Is::Int),
];
const PIN: &[Field] = &[
    field("message_id", &["pinParentKey.id", "parentMsgKey.id"], Is::Text),
    field("action", &["pinMessageType"], Is::Word(form::PIN_ACTIONS)),
];
const TEMPLATE: &[Field] = &[
    field("title", &["title"], Is::Text),
    field("footer", &["footer"], Is::Text),
    field("buttons", &["hydratedButtons"], Is::List(form::BUTTON)),
];
const CALL_LOG: &[Field] = &[
    field("action", &["subtype"], Is::Text),
    field("outcome", &["callOutcome"], Is::Text),
    field("seconds", &["callDuration"], Is::Int),
    field("video", &["isVideoCall"], Is::Flag),
];
/// What happened, who did it, and to whom.
const SYSTEM: &[Field] = &[
    field("action", &["subtype"], Is::Text),
    field("by", &["author"], Is::Jid),
    field("people", &["recipients"], Is::Jids),
    field("parameters", &["templateParams"], Is::Texts("")),
    field("expires_after_s", &["ephemeralDuration"], Is::Int),
];
/// The bodies of these are a thumbnail, or say what `details` have.
const BODY_IS_NO_TEXT: [&str; 3] = ["location", "contacts", "group_invite"];

/// The kind of a raw message, if there is one.
pub(super) fn kind(data: Node<'_>) -> Option<Kind<'_>> {
    let told = data.at("type").str()?;
    let known = KINDS.into_iter().find(|(kind, ..)| *kind == told);
    let (_, name, part, fields) = known.unwrap_or(("", "other", "", &[]));
    Some(Kind {
        name,
        part,
        fields,
        form: data,
        context: data,
        mentions: data.at("mentionedJidList"),
        is_view_once: data.at("isViewOnce").flag() == Some(true),
        expires_after_s: data.at("ephemeralDuration").int().filter(|seconds| *seconds > 0),
        body_is_no_text: BODY_IS_NO_TEXT.contains(&name),
        album: data.path("parentMsgKey.id").text().filter(|_| part == "file"),
        has_file: part == "file" && data.at("mimetype").is_there(),
        ..Kind::default()
    })
}

//! What the details take out of the protobuf messages of NOWEB and GOWS.
//!
//! GOWS has one more level where the protocol has alternatives (`Response`, `HydratedButton`), which is
//! looked through, and numbers for the protocol's words, which are given their names.

use crate::normalize::fields::{Field, Is, field};

pub(super) const LINK: &[Field] = &[
    field("url", &["matchedText", "canonicalUrl"], Is::Text),
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
];

pub(super) const FILE: &[Field] = &[
    field("seconds", &["seconds"], Is::Int),
    field("bytes", &["fileLength"], Is::Int),
    field("width", &["width"], Is::Int),
    field("height", &["height"], Is::Int),
    field("pages", &["pageCount"], Is::Int),
    field("gif", &["gifPlayback"], Is::Flag),
    field("animated", &["isAnimated"], Is::Flag),
];

pub(super) const LOCATION: &[Field] = &[
    field("latitude", &["degreesLatitude"], Is::Degrees),
    field("longitude", &["degreesLongitude"], Is::Degrees),
    field("name", &["name"], Is::Text),
    field("address", &["address"], Is::Text),
    field("url", &["url"], Is::Text),
];

/// `vcard` is one text: [`Is::Texts`] takes a text for a list of one.
pub(super) const CONTACT: &[Field] = &[field("contacts", &["vcard"], Is::Texts(""))];

pub(super) const CONTACTS: &[Field] = &[field("contacts", &["contacts"], Is::Texts("vcard"))];

pub(super) const POLL: &[Field] = &[
    field("name", &["name"], Is::Text),
    field("options", &["options"], Is::Texts("optionName")),
    field("selectable_count", &["selectableOptionsCount"], Is::Int),
    field("ends_at", &["endTime"], Is::Time),
    field("answer", &["correctAnswer.optionName"], Is::Text),
];

pub(super) const ROW: &[Field] = &[
    field("id", &["rowId", "id"], Is::Text),
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
];

pub(super) const SECTION: &[Field] =
    &[field("title", &["title"], Is::Text), field("rows", &["rows"], Is::List(ROW))];

pub(super) const LIST: &[Field] = &[
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
    field("footer", &["footerText"], Is::Text),
    field("button", &["buttonText"], Is::Text),
    field("sections", &["sections"], Is::List(SECTION)),
];

pub(super) const LIST_RESPONSE: &[Field] = &[
    field("id", &["singleSelectReply.selectedRowId"], Is::Text),
    field("title", &["title"], Is::Text),
    field("description", &["description"], Is::Text),
];

pub(super) const BUTTON: &[Field] = &[
    field("id", &["buttonId", "quickReplyButton.id", "id"], Is::Text),
    field(
        "title",
        &[
            "buttonText.displayText",
            "quickReplyButton.displayText",
            "urlButton.displayText",
            "callButton.displayText",
            "displayText",
        ],
        Is::Text,
    ),
    field("url", &["urlButton.url"], Is::Text),
    field("phone", &["callButton.phoneNumber"], Is::Text),
    // Native flow buttons: what they do, in JSON of their own.
    field("name", &["name"], Is::Text),
    field("params", &["buttonParamsJson"], Is::Text),
];

pub(super) const BUTTONS: &[Field] = &[
    field("text", &["contentText"], Is::Text),
    field("header", &["text", "header.text"], Is::Text),
    field("footer", &["footerText"], Is::Text),
    field("buttons", &["buttons"], Is::List(BUTTON)),
];

pub(super) const BUTTONS_RESPONSE: &[Field] = &[
    field("id", &["selectedButtonId"], Is::Text),
    field("title", &["selectedDisplayText"], Is::Text),
];

pub(super) const TEMPLATE_REPLY: &[Field] =
    &[field("id", &["selectedId"], Is::Text), field("title", &["selectedDisplayText"], Is::Text)];

pub(super) const TEMPLATE: &[Field] = &[
    field("title", TEMPLATE_TITLE, Is::Text),
    field("text", TEMPLATE_TEXT, Is::Text),
    field("footer", TEMPLATE_FOOTER, Is::Text),
    field(
        "buttons",
        &[
            "hydratedTemplate.hydratedButtons",
            "hydratedFourRowTemplate.hydratedButtons",
            "hydratedHsm.hydratedTemplate.hydratedButtons",
            "interactiveMessageTemplate.nativeFlowMessage.buttons",
        ],
        Is::List(BUTTON),
    ),
];
pub(in crate::normalize) const TEMPLATE_TITLE: &[&str] = &[
    "hydratedTemplate.hydratedTitleText",
    "hydratedFourRowTemplate.hydratedTitleText",
    "interactiveMessageTemplate.header.title",
];
pub(in crate::normalize) const TEMPLATE_TEXT: &[&str] = &[
    "hydratedTemplate.hydratedContentText",
    "hydratedFourRowTemplate.hydratedContentText",
    "hydratedHsm.hydratedTemplate.hydratedContentText",
    "hydratedHsm.hydratedFourRowTemplate.hydratedContentText",
    "interactiveMessageTemplate.body.text",
];
pub(in crate::normalize) const TEMPLATE_FOOTER: &[&str] = &[
    "hydratedTemplate.hydratedFooterText",
    "hydratedFourRowTemplate.hydratedFooterText",
    "interactiveMessageTemplate.footer.text",
];

pub(super) const INTERACTIVE: &[Field] = &[
    field("title", &["header.title"], Is::Text),
    field("text", &["body.text"], Is::Text),
    field("footer", &["footer.text"], Is::Text),
    field("buttons", &["nativeFlowMessage.buttons"], Is::List(BUTTON)),
    field("cards", &["carouselMessage.cards"], Is::List(CARD)),
];

const CARD: &[Field] = &[
    field("title", &["header.title"], Is::Text),
    field("text", &["body.text"], Is::Text),
    field("footer", &["footer.text"], Is::Text),
    field("buttons", &["nativeFlowMessage.buttons"], Is::List(BUTTON)),
];

pub(super) const INTERACTIVE_RESPONSE: &[Field] = &[
    field("title", &["body.text"], Is::Text),
    field("name", &["nativeFlowResponseMessage.name"], Is::Text),
    field("params", &["nativeFlowResponseMessage.paramsJson"], Is::Text),
];

pub(super) const ORDER: &[Field] = &[
    field("id", &["orderId"], Is::Text),
    field("title", &["orderTitle"], Is::Text),
    field("message", &["message"], Is::Text),
    field("item_count", &["itemCount"], Is::Int),
    field("total", &["totalAmount1000"], Is::Thousandths),
    field("currency", &["totalCurrencyCode"], Is::Text),
    field("seller", &["sellerJid"], Is::Jid),
    field("token", &["token"], Is::Text),
];

pub(in crate::normalize) const PRODUCT: &[Field] = &[
    field("id", &["product.productId"], Is::Text),
    field("title", &["product.title"], Is::Text),
    field("description", &["product.description"], Is::Text),
    field("price", &["product.priceAmount1000"], Is::Thousandths),
    field("currency", &["product.currencyCode"], Is::Text),
    field("retailer_id", &["product.retailerId"], Is::Text),
    field("url", &["product.url"], Is::Text),
    field("seller", &["businessOwnerJid"], Is::Jid),
];

pub(super) const EVENT: &[Field] = &[
    field("name", &["name"], Is::Text),
    field("description", &["description"], Is::Text),
    field("starts_at", &["startTime"], Is::Time),
    field("ends_at", &["endTime"], Is::Time),
    field("place", &["location.name"], Is::Text),
    field("address", &["location.address"], Is::Text),
    field("latitude", &["location.degreesLatitude"], Is::Degrees),
    field("longitude", &["location.degreesLongitude"], Is::Degrees),
    field("link", &["joinLink"], Is::Text),
    field("canceled", &["isCanceled"], Is::Flag),
    field("extra_guests_allowed", &["extraGuestsAllowed"], Is::Flag),
];

pub(super) const GROUP_INVITE: &[Field] = &[
    field("chat", &["groupJid"], Is::Jid),
    field("name", &["groupName"], Is::Text),
    field("code", &["inviteCode"], Is::Text),
    field("expires_at", &["inviteExpiration"], Is::Time),
    field("caption", &["caption"], Is::Text),
];

pub(super) const CHANNEL_INVITE: &[Field] = &[
    field("chat", &["newsletterJid"], Is::Jid),
    field("name", &["newsletterName"], Is::Text),
    field("expires_at", &["inviteExpiration"], Is::Time),
    field("caption", &["caption"], Is::Text),
];

pub(super) const ALBUM: &[Field] = &[
    field("images", &["expectedImageCount"], Is::Int),
    field("videos", &["expectedVideoCount"], Is::Int),
];

pub(super) const PIN: &[Field] = &[
    field("message_id", &["key.id"], Is::Text),
    field("action", &["type"], Is::Word(PIN_ACTIONS)),
];
pub(super) const PIN_ACTIONS: &[&str] = &["UNKNOWN_TYPE", "PIN_FOR_ALL", "UNPIN_FOR_ALL"];

pub(super) const SCHEDULED_CALL: &[Field] = &[
    field("title", &["title"], Is::Text),
    field("starts_at", &["scheduledTimestampMs"], Is::Time),
    field("type", &["callType"], Is::Word(&["UNKNOWN", "VOICE", "VIDEO"])),
];

pub(super) const CALL_LOG: &[Field] = &[
    field("outcome", &["callOutcome"], Is::Word(CALL_OUTCOMES)),
    field("seconds", &["durationSecs"], Is::Int),
    field("video", &["isVideo"], Is::Flag),
    field("type", &["callType"], Is::Word(&["REGULAR", "SCHEDULED_CALL", "VOICE_CHAT"])),
];
const CALL_OUTCOMES: &[&str] = &[
    "CONNECTED",
    "MISSED",
    "FAILED",
    "REJECTED",
    "ACCEPTED_ELSEWHERE",
    "ONGOING",
    "SILENCED_BY_DND",
    "SILENCED_UNKNOWN_CALLER",
];

/// To which question.
pub(super) const ANSWER: &[Field] = &[field("message_id", &["key.id"], Is::Text)];

pub(super) const SYSTEM: &[Field] = &[
    field("action", &["type"], Is::Word(PROTOCOL_TYPES)),
    field("expires_after_s", &["ephemeralExpiration"], Is::Int),
];
/// What protocol messages are about, by their number.
pub(in crate::normalize) const PROTOCOL_TYPES: &[&str] = &[
    "REVOKE",
    "",
    "",
    "EPHEMERAL_SETTING",
    "EPHEMERAL_SYNC_RESPONSE",
    "HISTORY_SYNC_NOTIFICATION",
    "APP_STATE_SYNC_KEY_SHARE",
    "APP_STATE_SYNC_KEY_REQUEST",
    "MSG_FANOUT_BACKFILL_REQUEST",
    "INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC",
    "APP_STATE_FATAL_EXCEPTION_NOTIFICATION",
    "SHARE_PHONE_NUMBER",
    "",
    "",
    "MESSAGE_EDIT",
    "",
    "PEER_DATA_OPERATION_REQUEST_MESSAGE",
    "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    "REQUEST_WELCOME_MESSAGE",
    "BOT_FEEDBACK_MESSAGE",
    "MEDIA_NOTIFY_MESSAGE",
    "CLOUD_API_THREAD_CONTROL_NOTIFICATION",
    "LID_MIGRATION_MAPPING_SYNC",
    "REMINDER_MESSAGE",
    "BOT_MEMU_ONBOARDING_MESSAGE",
    "STATUS_MENTION_MESSAGE",
    "STOP_GENERATION_MESSAGE",
    "LIMIT_SHARING",
    "AI_PSI_METADATA",
    "AI_QUERY_FANOUT",
    "GROUP_MEMBER_LABEL_CHANGE",
];

/// What Baileys tells of a group or an account instead of a message: who did it, and what to whom. A
/// subject is a parameter, too, so they are kept as they are told.
pub(super) const STUB: &[Field] = &[
    field("action", &["messageStubType"], Is::Text),
    field("by", &["key.participant", "participant"], Is::Jid),
    field("parameters", &["messageStubParameters"], Is::Texts("id")),
];

//! What the details take out of the protobuf messages of NOWEB and GOWS. GOWS has one more level
//! where the protocol has alternatives (`response`, `hydratedButton`).

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
    field(
        "id",
        &["buttonId", "quickReplyButton.id", "hydratedButton.quickReplyButton.id", "id"],
        Is::Text,
    ),
    field(
        "title",
        &[
            "buttonText.displayText",
            "quickReplyButton.displayText",
            "urlButton.displayText",
            "callButton.displayText",
            "hydratedButton.quickReplyButton.displayText",
            "hydratedButton.urlButton.displayText",
            "hydratedButton.callButton.displayText",
            "displayText",
        ],
        Is::Text,
    ),
    field("url", &["urlButton.url", "hydratedButton.urlButton.url"], Is::Text),
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
    field("title", &["selectedDisplayText", "response.selectedDisplayText"], Is::Text),
];

pub(super) const TEMPLATE_REPLY: &[Field] =
    &[field("id", &["selectedId"], Is::Text), field("title", &["selectedDisplayText"], Is::Text)];

pub(super) const TEMPLATE: &[Field] = &[
    field(
        "text",
        &["hydratedTemplate.hydratedContentText", "hydratedFourRowTemplate.hydratedContentText"],
        Is::Text,
    ),
    field(
        "footer",
        &["hydratedTemplate.hydratedFooterText", "hydratedFourRowTemplate.hydratedFooterText"],
        Is::Text,
    ),
    field(
        "buttons",
        &["hydratedTemplate.hydratedButtons", "hydratedFourRowTemplate.hydratedButtons"],
        Is::List(BUTTON),
    ),
];

pub(super) const INTERACTIVE: &[Field] = &[
    field("title", &["header.title"], Is::Text),
    field("text", &["body.text"], Is::Text),
    field("footer", &["footer.text"], Is::Text),
    field(
        "buttons",
        &["nativeFlowMessage.buttons", "interactiveMessage.nativeFlowMessage.buttons"],
        Is::List(BUTTON),
    ),
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

pub(super) const PRODUCT: &[Field] = &[
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

pub(super) const PIN: &[Field] =
    &[field("message_id", &["key.id"], Is::Text), field("action", &["type"], Is::Text)];

pub(super) const SYSTEM: &[Field] = &[field("action", &["type"], Is::Text)];

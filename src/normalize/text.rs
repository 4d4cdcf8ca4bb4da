//! What a person reads of a message: what WAHA says, else what the engine's form has, line by line in the
//! order in which WhatsApp shows it. Newer versions of WAHA join such lines in the same way.

use super::kind::{Kind, form, proto};
use crate::waha::json::Node;

/// Where the lines of a text are: each in the first of its places that says something.
type Lines = &'static [&'static [&'static str]];

const TEMPLATE: Lines = &[form::TEMPLATE_TEXT];
const WHOLE_TEMPLATE: Lines = &[form::TEMPLATE_TITLE, form::TEMPLATE_TEXT, form::TEMPLATE_FOOTER];
const INTERACTIVE: Lines = &[
    &["header.title", "interactiveHeader.title"],
    &["header.subtitle", "interactiveHeader.subtitle"],
    &["body.text"],
    &["footer.text", "footer"],
];
/// Most cards and parts of an answer that are read; WhatsApp shows ten cards.
const PARTS_MAX: usize = 100;

/// The text of a message, if it has one.
pub(super) fn of(payload: Node<'_>, kind: &Kind<'_>) -> Option<String> {
    let told = payload.at("body").text().filter(|_| !kind.body_is_no_text);
    told.or_else(|| of_kind(kind))
}

/// The text of a message without wrappers, by the engine's form alone.
pub(super) fn of_message(message: Node<'_>) -> Option<String> {
    of_kind(&proto::of_message(message)?)
}

fn of_kind(kind: &Kind<'_>) -> Option<String> {
    let form = kind.form;
    match kind.name {
        "text" => form.text().or_else(|| lines(form, &[&["text"]])),
        // The official text of a template is one field; only without it its other parts count.
        "template" if is_official(form) => lines(form, TEMPLATE),
        "template" => lines(form, WHOLE_TEMPLATE),
        "interactive" => joined([lines(form, INTERACTIVE), cards(form)].into_iter().flatten()),
        "rich_response" => rich(form),
        "comment" => of_message(form.at("message")),
        "payment" | "payment_request" => of_message(form.at("noteMessage")),
        name => lines(form, lines_of(name)),
    }
}

/// Where other kinds have their text.
fn lines_of(name: &str) -> Lines {
    match name {
        "image" | "video" | "document" | "sticker" => &[&["caption"]],
        "location" => &[&["caption", "comment"]],
        "poll" | "poll_result" => &[&["name", "pollName"]],
        "list" => &[
            &["title", "list.title"],
            &["description", "list.description"],
            &["footerText", "list.footerText", "footer"],
        ],
        "list_response" => &[&["title", "listResponse.title"]],
        "buttons" => &[&["text"], &["contentText"], &["footerText"]],
        "buttons_response" => &[&["selectedDisplayText"]],
        "interactive_response" => &[&["body.text"]],
        "order" => &[&["message"]],
        "product" => &[&["product.title"], &["body"], &["footer"]],
        "invoice" => &[&["note"]],
        "event" => &[&["name", "eventName"], &["description", "eventDescription"]],
        "group_invite" | "channel_invite" => &[&["caption", "comment"]],
        "scheduled_call" => &[&["title"]],
        "question_response" => &[&["text"]],
        _ => &[],
    }
}

fn is_official(form: Node<'_>) -> bool {
    form::TEMPLATE_TEXT[..2].iter().any(|path| form.oneof_path(path).text().is_some())
}

fn lines(form: Node<'_>, lines: Lines) -> Option<String> {
    let line = |places: &&[&str]| places.iter().find_map(|path| form.oneof_path(path).text());
    joined(lines.iter().filter_map(line))
}

fn joined(lines: impl Iterator<Item = String>) -> Option<String> {
    let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn cards(form: Node<'_>) -> Option<String> {
    let cards = form.oneof_path("carouselMessage.cards");
    joined(cards.items().take(PARTS_MAX).filter_map(|card| lines(card, INTERACTIVE)))
}

/// An answer of Meta AI: paragraphs, code and tables.
fn rich(form: Node<'_>) -> Option<String> {
    let parts = form.at_like("submessages").items().take(PARTS_MAX);
    joined(
        parts
            .flat_map(|part| [lines(part, &[&["messageText"]]), code(part), table(part)])
            .flatten(),
    )
}

fn code(part: Node<'_>) -> Option<String> {
    let blocks = part.oneof_path("codeMetadata.codeBlocks");
    let code: String = blocks.items().filter_map(|it| it.at_like("codeContent").text()).collect();
    Some(code).filter(|code| !code.is_empty())
}

fn table(part: Node<'_>) -> Option<String> {
    let cells = |row: Node<'_>| -> Vec<String> {
        row.at_like("items").items().filter_map(Node::text).collect()
    };
    let rows = part.oneof_path("tableMetadata.rows");
    joined(rows.items().take(PARTS_MAX).map(|row| cells(row).join(" | ")))
}

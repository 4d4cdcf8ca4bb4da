//! Tables that say which fields of an engine's form go into a message's details, and how.

use serde_json::{Map, Value, json};

use super::ids::id;
use crate::waha::json::Node;
use crate::waha::time::time;

/// One field: its name in the details, where the engine has it (dots between names, the case does
/// not matter, levels of alternatives are left out; the first that says something), and what it is.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) from: &'static [&'static str],
    pub(super) is: Is,
}

/// What a field is.
pub(super) enum Is {
    /// Text, or a number told as text.
    Text,
    /// The first line of a text.
    Line,
    /// The lines behind the first.
    OtherLines,
    /// A whole number.
    Int,
    /// A thousandth of an amount of money.
    Thousandths,
    /// Degrees, told as number or text.
    Degrees,
    /// A truth; left out when it is false.
    Flag,
    /// A moment, told in RFC 3339 whatever the engine writes.
    Time,
    /// One of a protocol's words; GOWS tells its number, which is the place in this list.
    Word(&'static [&'static str]),
    /// A chat or person.
    Jid,
    /// A list of chats or people.
    Jids,
    /// A list of texts, each in a field of an object (or by itself). One alone is a list of one.
    Texts(&'static str),
    /// An object.
    Object(&'static [Field]),
    /// A list of objects.
    List(&'static [Field]),
}

/// Most items of a list that are kept: WhatsApp's own limits are far below.
const ITEMS_MAX: usize = 1024;

/// A field under the same name.
pub(super) const fn field(name: &'static str, from: &'static [&'static str], is: Is) -> Field {
    Field { name, from, is }
}

/// The fields that are there.
pub(super) fn pick(node: Node<'_>, fields: &[Field]) -> Map<String, Value> {
    let value = |field: &Field| {
        let found = field.from.iter().map(|path| node.oneof_path(path));
        let value = found.filter(|it| it.is_there()).find_map(|found| read(found, &field.is))?;
        Some((field.name.to_owned(), value))
    };
    fields.iter().filter_map(value).collect()
}

fn read(node: Node<'_>, is: &Is) -> Option<Value> {
    match is {
        Is::Text => node.text().map(Value::from),
        Is::Line => node.text()?.lines().next().map(Value::from),
        Is::OtherLines => node.text()?.split_once('\n').map(|(_, others)| others.trim().into()),
        Is::Int => node.int().map(Value::from),
        Is::Thousandths => node.int().map(amount),
        Is::Degrees => {
            node.text()?.parse::<f64>().ok().filter(|it| it.is_finite()).map(|it| json!(it))
        }
        Is::Flag => node.flag().filter(|flag| *flag).map(Value::from),
        Is::Time => time(node).map(|time| time.to_rfc3339().into()),
        Is::Word(words) => word(node, words).map(Value::from),
        Is::Jid => id(node).map(Value::from),
        Is::Jids => list(node, |item| id(item).map(Value::from)),
        Is::Texts(name) => {
            list(node, |item| item.at_like(name).text().or_else(|| item.text()).map(Value::from))
        }
        Is::Object(fields) => full(pick(node, fields)),
        Is::List(fields) => list(node, |item| full(pick(item, fields))),
    }
}

/// A word of a protocol, told by itself or by its number.
pub(super) fn word(node: Node<'_>, words: &[&'static str]) -> Option<String> {
    let number = node.int().and_then(|number| usize::try_from(number).ok());
    let known = number.and_then(|number| words.get(number)).filter(|word| !word.is_empty());
    known.map(|word| (*word).to_owned()).or_else(|| node.text())
}

/// Money as text, exact to the thousandth.
fn amount(thousandths: i64) -> Value {
    let sign = if thousandths < 0 { "-" } else { "" };
    let thousandths = thousandths.unsigned_abs();
    format!("{sign}{}.{:03}", thousandths / 1000, thousandths % 1000).into()
}

fn list(node: Node<'_>, read: impl Fn(Node<'_>) -> Option<Value>) -> Option<Value> {
    let alone = (!node.is_list()).then_some(node).into_iter();
    let items: Vec<Value> = node.items().take(ITEMS_MAX).chain(alone).filter_map(read).collect();
    (!items.is_empty()).then(|| items.into())
}

fn full(object: Map<String, Value>) -> Option<Value> {
    (!object.is_empty()).then(|| object.into())
}

//! Tables that say which fields of an engine's form go into a message's details, and how.

use serde_json::{Map, Value, json};

use super::ids::id;
use crate::waha::json::Node;
use crate::waha::time::time;

/// One field: its name in the details, where the engine has it (dots between names, the case does
/// not matter; the first that is there), and what it is.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) from: &'static [&'static str],
    pub(super) is: Is,
}

/// What a field is.
pub(super) enum Is {
    /// Text, or a number told as text.
    Text,
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
    /// A chat or person.
    Jid,
    /// A list of texts, each in a field of an object (or by itself). One alone is a list of one.
    Texts(&'static str),
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
        let found = field.from.iter().map(|path| node.path(path)).find(|found| found.is_there())?;
        Some((field.name.to_owned(), read(found, &field.is)?))
    };
    fields.iter().filter_map(value).collect()
}

fn read(node: Node<'_>, is: &Is) -> Option<Value> {
    match is {
        Is::Text => node.text().map(Value::from),
        Is::Int => node.int().map(Value::from),
        Is::Thousandths => node.int().map(amount),
        Is::Degrees => {
            node.text()?.parse::<f64>().ok().filter(|it| it.is_finite()).map(|it| json!(it))
        }
        Is::Flag => node.flag().filter(|flag| *flag).map(Value::from),
        Is::Time => time(node).map(|time| time.to_rfc3339().into()),
        Is::Jid => id(node).map(Value::from),
        Is::Texts(name) => {
            list(node, |item| item.at_like(name).text().or_else(|| item.text()).map(Value::from))
        }
        Is::List(fields) => list(node, |item| full(pick(item, fields))),
    }
}

/// Money as text, exact to the thousandth.
fn amount(thousandths: i64) -> Value {
    let (sign, thousandths) = (if thousandths < 0 { "-" } else { "" }, thousandths.unsigned_abs());
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

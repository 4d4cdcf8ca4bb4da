//! Changes a part of a JSON text and leaves every other byte as it is: numbers, escapes, unknown members, blanks and
//! order. Pure.

use serde_json::value::RawValue;

use crate::waha::raw_object;

/// A text that is no object or no list where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not built as WAHA builds it")]
pub(super) struct OddShape;

fn members(object: &str) -> Result<Vec<(String, &RawValue)>, OddShape> {
    raw_object::members(object).ok_or(OddShape)
}

/// A member of an object: the last of that name, as in JavaScript.
pub(super) fn member<'a>(object: &'a str, name: &str) -> Result<Option<&'a str>, OddShape> {
    let members = members(object)?;
    Ok(members.into_iter().rfind(|(known, _)| known == name).map(|(_, value)| value.get()))
}

/// The items of a list; none of a null.
pub(super) fn items(list: &str) -> Result<Vec<&str>, OddShape> {
    let items: Option<Vec<&RawValue>> = serde_json::from_str(list).map_err(|_| OddShape)?;
    Ok(items.unwrap_or_default().into_iter().map(RawValue::get).collect())
}

/// The object with this value at the end of a path; objects on the way that are missing, or null, are made.
pub(super) fn set(object: &str, path: &[&str], value: &str) -> Result<String, OddShape> {
    let Some((name, rest)) = path.split_first() else { return Ok(value.to_owned()) };
    match member(object, name)? {
        Some(there) if rest.is_empty() || there == "null" => {
            Ok(replace(object, there, &nested(rest, value)))
        }
        Some(there) => Ok(replace(object, there, &set(there, rest, value)?)),
        None => {
            let name = serde_json::Value::from(*name);
            insert(object, '}', &format!("{name}:{}", nested(rest, value)))
        }
    }
}

fn nested(path: &[&str], value: &str) -> String {
    path.iter().rev().fold(value.to_owned(), |value, name| {
        let name = serde_json::Value::from(*name);
        format!("{{{name}:{value}}}")
    })
}

/// The list with one more item at its end.
pub(super) fn push(list: &str, item: &str) -> Result<String, OddShape> {
    if list == "null" {
        return Ok(format!("[{item}]"));
    }
    items(list)?;
    insert(list, ']', item)
}

/// The list without an item and its comma.
pub(super) fn without_item(list: &str, index: usize) -> Result<String, OddShape> {
    let items = items(list)?;
    let place = |index: usize| items.get(index).map(|item| (offset(list, item), item.len()));
    let (start, length) = place(index).ok_or(OddShape)?;
    let before = index.checked_sub(1).and_then(place).map(|(start, length)| start + length);
    let after = place(index + 1).map(|(start, _)| start);
    let (from, to) = match (before, after) {
        (Some(before), _) => (before, start + length),
        (None, Some(after)) => (start, after),
        (None, None) => (start, start + length),
    };
    Ok(format!("{}{}", &list[..from], &list[to..]))
}

/// The text with something else in the place of a part of it.
pub(super) fn replace(text: &str, part: &str, with: &str) -> String {
    let start = offset(text, part);
    format!("{}{with}{}", &text[..start], &text[start + part.len()..])
}

/// Where a part begins, which lies in the text.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// The text with something before its closing bracket, after what is there.
fn insert(text: &str, end: char, what: &str) -> Result<String, OddShape> {
    let at = text.rfind(end).ok_or(OddShape)?;
    let before = text[..at].trim_end();
    let comma = if before.ends_with(['{', '[']) { "" } else { "," };
    Ok(format!("{before}{comma}{what}{}", &text[before.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Numbers that no float holds, escapes, blanks, a name twice: all that a parser would change.
    const ODD: &str = r#"{ "big": 12345678901234567890123, "e":1e400, "t":"\u00e9\ud800\/", "t":"last",
        "later" : {"deep":[ 1 , {"x":null} ]}, "webhooks" : [ {"url":"http://a"} , {"url":"http://b"} ] }"#;

    #[test]
    fn what_is_not_meant_stays_to_the_byte() {
        let list = member(ODD, "webhooks").unwrap().unwrap();
        let changed = push(list, r#"{"url":"http://c"}"#).unwrap();
        let config = set(ODD, &["webhooks"], &changed).unwrap();
        let begin = ODD.find(r#"[ {"url"#).unwrap();
        assert_eq!(config[..begin], ODD[..begin]);
        assert!(config.ends_with(r#"{"url":"http://b"},{"url":"http://c"} ] }"#), "{config}");
    }

    #[test]
    fn items_go_with_their_commas() {
        let list = "[ 1 , 2,3 ]";
        assert_eq!(without_item(list, 0).unwrap(), "[ 2,3 ]");
        assert_eq!(without_item(list, 1).unwrap(), "[ 1,3 ]");
        assert_eq!(without_item(list, 2).unwrap(), "[ 1 , 2 ]");
        assert_eq!(without_item("[7]", 0).unwrap(), "[]");
        assert_eq!(without_item("[]", 0), Err(OddShape));
    }

    #[test]
    fn what_is_missing_on_the_way_is_made() {
        assert_eq!(set("{}", &["a", "b"], "1").unwrap(), r#"{"a":{"b":1}}"#);
        assert_eq!(set(r#"{"a":null,"c":2}"#, &["a", "b"], "1").unwrap(), r#"{"a":{"b":1},"c":2}"#);
        assert_eq!(set(r#"{"a":{"z":0}}"#, &["a", "b"], "1").unwrap(), r#"{"a":{"z":0,"b":1}}"#);
        assert_eq!(push("null", "1").unwrap(), "[1]");
        assert_eq!(set("[]", &["a"], "1"), Err(OddShape));
        assert_eq!(set(r#"{"a":7}"#, &["a", "b"], "1"), Err(OddShape));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn setting_does_what_it_does_to_the_value(
            object in prop::collection::hash_map("[a-c]", json(), 0..4),
            name in "[a-d]",
            value in json(),
        ) {
            let mut object = Value::Object(object.into_iter().collect());
            let changed = set(&object.to_string(), &[name.as_str()], &value.to_string()).unwrap();
            object[name] = value;
            prop_assert_eq!(serde_json::from_str::<Value>(&changed).unwrap(), object);
        }

        #[test]
        fn lists_change_as_vectors_do(list in prop::collection::vec(json(), 1..6), index in 0_usize..6) {
            let index = index % list.len();
            let text = Value::from(list.clone()).to_string();
            let mut expected = list;
            let item = expected.remove(index);
            let changed = push(&without_item(&text, index).unwrap(), &item.to_string()).unwrap();
            expected.push(item);
            prop_assert_eq!(serde_json::from_str::<Vec<Value>>(&changed).unwrap(), expected);
        }
    }
}

//! The numbers in contact cards (vCard), which applications ask for.

use serde_json::{Map, Value};

/// The numbers in contact cards, digits alone, as a list.
pub(super) fn add_numbers(details: &mut Map<String, Value>) {
    let cards = details.get("contacts").and_then(Value::as_array);
    let cards = cards.into_iter().flatten().filter_map(Value::as_str);
    let numbers: Vec<String> = cards.flat_map(str::lines).filter_map(number).collect();
    if !numbers.is_empty() {
        details.insert("contact_numbers".into(), numbers.into());
    }
}

/// The number in a line of a card: `TEL;waid=12025550144:+1 202 555 0144`, maybe after `item1.`.
fn number(line: &str) -> Option<String> {
    let (property, value) = line.split_once(':')?;
    let mut parameters = property.split(';');
    let name = parameters.next()?;
    let name = name.rsplit('.').next().unwrap_or(name);
    let is_waid = |parameter: &str| parameter.trim().to_ascii_lowercase().starts_with("waid=");
    let waid = parameters.find(|it| is_waid(it)).and_then(|it| it.split_once('='));
    let digits: String =
        waid.map_or(value, |(_, waid)| waid).chars().filter(char::is_ascii_digit).collect();
    (name.trim().eq_ignore_ascii_case("tel") && !digits.is_empty()).then_some(digits)
}

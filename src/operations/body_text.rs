//! A body as people read it.

use serde_json::Value;

use crate::visible::escaped_json;
use crate::waha::json::{self as waha_json, Node};

/// The body, indented and with escapes for what hides, if it is JSON of which that leaves nothing out; else
/// why not.
pub fn indented(body: &[u8]) -> Result<String, String> {
    let text = waha_json::storable(body);
    let value = waha_json::parse(&text).map_err(|error| error.to_string())?;
    match Node::from(&value).repeated_name() {
        Some(name) => Err(format!("the name {name:?} is twice in one object")),
        None => Ok(escaped_json(&format!("{:#}", Value::from(&value)))),
    }
}

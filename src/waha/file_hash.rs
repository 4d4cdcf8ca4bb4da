//! What an engine says of a file's content: its SHA-256. Pure.
//!
//! Used by `normalize` and `waha_api`. WAHA keeps files by session and bare message id, which a stranger
//! chooses, so the file at a link may be another chat's: this hash tells.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::json::Node;

/// Bytes of a SHA-256.
const BYTES: usize = 32;

/// The hash in lower-case hex that the engine's form of a message tells, if it tells one.
pub fn file_hash(message: Node<'_>) -> Option<String> {
    let data = message.at("_data");
    let of_webjs = data.at("filehash").str();
    let parts = [data.at("message"), data.at("Message")];
    let of_parts = || parts.into_iter().find_map(|parts| in_parts(parts, DEPTH_MAX));
    hex_of(of_webjs.or_else(of_parts)?)
}

/// Wrappers around the part with the file: view once, ephemeral, with caption.
const DEPTH_MAX: usize = 4;

/// That of the first part with one, at any depth of wrappers that hold a message.
fn in_parts(message: Node<'_>, depth: usize) -> Option<&str> {
    let names = message.fields().filter(|name| name.to_lowercase().ends_with("message"));
    names.map(|name| message.at(name)).find_map(|part| {
        let told = part.at_any(&["fileSha256", "fileSHA256"]).str();
        let inner = || part.at_any(&["message", "Message"]);
        told.or_else(|| in_parts(inner(), depth.checked_sub(1)?))
    })
}

fn hex_of(base64: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(base64).ok()?;
    (bytes.len() == BYTES).then(|| hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waha::json::parse;

    const BASE64: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn each_engine_tells_it_in_its_way() {
        for form in [
            r#"{"_data":{"message":{"imageMessage":{"fileSha256":"@"}}}}"#,
            r#"{"_data":{"Message":{"documentMessage":{"fileSHA256":"@"}}}}"#,
            r#"{"_data":{"message":{"viewOnceMessage":{"message":{"imageMessage":{"fileSha256":"@"}}}}}}"#,
            r#"{"_data":{"filehash":"@"}}"#,
        ] {
            let text = form.replace('@', BASE64);
            assert_eq!(
                file_hash(Node::from(&parse(&text).unwrap())).as_deref(),
                Some(HEX),
                "{form}"
            );
        }
    }

    #[test]
    fn what_is_no_hash_is_not_told() {
        for form in
            [r#"{"_data":{"filehash":"h"}}"#, r#"{"_data":{"message":{"conversation":"x"}}}"#, "{}"]
        {
            assert_eq!(file_hash(Node::from(&parse(form).unwrap())), None);
        }
    }
}

//! The file of a message, as WAHA loaded it.

use super::ids::engine_data;
use crate::change::Media;
use crate::waha::file_hash::file_hash;
use crate::waha::json::Node;

/// The file: none told while WAHA says `null`, which also stands for "not loaded". Bodies of 2023 name it
/// beside the message.
pub(super) fn of(payload: Node<'_>) -> Option<Media> {
    let node = payload.at("media");
    let sha256 = file_hash(payload);
    let of_2023 =
        payload.at("mediaUrl").text().filter(|_| !payload.fields().any(|it| it == "media"));
    if let Some(url) = of_2023 {
        let mime_type = engine_data(payload).at("mimetype").text();
        return Some(Media { url: Some(url), mime_type, sha256, ..Media::default() });
    }
    node.is_there().then(|| Media {
        url: node.at("url").text(),
        mime_type: node.at("mimetype").text(),
        file_name: node.at("filename").text(),
        error: media_error(node.at("error")),
        sha256,
    })
}

/// One line of the error, whose shape varies; `details` is a stack trace.
fn media_error(node: Node<'_>) -> Option<String> {
    let text = node.at_any(&["message", "details", "code"]).text().or_else(|| node.text());
    let text = text.or_else(|| node.is_there().then(|| "unknown".to_owned()))?;
    text.lines().next().map(str::to_owned)
}

//! One message, asked for again because its file is gone: WAHA loads the file from WhatsApp once more.
//!
//! `GET /api/{session}/chats/{chat}/messages/{id}?downloadMedia=true`.

use super::forms::{is_another, message_path};
use super::{Patience, WahaApi, WahaError};
use crate::waha::file_hash::file_hash;
use crate::waha::json::{self, Node};

/// Which message.
#[derive(Clone, Copy, Debug)]
pub struct MessageAddress<'a> {
    /// WAHA's name of the session.
    pub session: &'a str,
    /// `NOWEB`, `GOWS`, `WEBJS` or `WPP`, as webhooks told.
    pub engine: Option<&'a str>,
    /// WhatsApp's id of the chat.
    pub chat: &'a str,
    /// WAHA's serialized id; may be empty.
    pub waha_id: &'a str,
    /// The bare id.
    pub bare_id: &'a str,
}

/// What WAHA says of a message's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFile {
    /// Where it is now; none if it could not be loaded, or is not to be.
    pub url: Option<String>,
    /// Its type, as the sender told it.
    pub mime_type: Option<String>,
    /// Its name, as the sender told it: never a path.
    pub file_name: Option<String>,
    /// What the engine says of its content: SHA-256, in hex.
    pub sha256: Option<String>,
    /// Why it could not be loaded.
    pub error: Option<FileError>,
    /// Whether the message has a file at all: one that was taken back has none.
    pub is_there: bool,
    /// Whether WAHA told of another chat's message with the same bare id.
    pub is_anothers: bool,
}

/// Why WAHA could not load a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    /// WhatsApp has it no more, and the phone did not bring it again.
    Gone,
    /// Something that may pass.
    Failed,
}

/// What WhatsApp's servers answer for a file that is no more.
const GONE: [&str; 3] = ["403", "404", "410"];

impl WahaApi {
    /// What WAHA says of a message's file, after it has tried to load it; takes minutes at worst.
    pub async fn load_file(&self, of: MessageAddress<'_>) -> Result<MessageFile, WahaError> {
        let MessageAddress { session, engine, chat, waha_id, bare_id } = of;
        let (chat, id) = message_path(engine, chat, waha_id, bare_id);
        let path = ["api", session, "chats", chat, "messages", id];
        let query = [("downloadMedia", "true"), ("merge", "false")];
        // An unknown message is an empty answer in one engine and a 404 in others.
        let missing = WahaError::NotFound(super::Missing::Message);
        let body = self.get(Patience::Loading, session, &path, &query).await?.ok_or(missing)?;
        let text = json::storable(&body);
        let parsed = json::parse(&text);
        let parsed = parsed.map_err(|_| WahaError::Unusable("it is no JSON"))?;
        let message = Node::from(&parsed);
        let answered = message.at("id").at("_serialized").str().or_else(|| message.at("id").str());
        let is_anothers = is_another(waha_id, answered.unwrap_or_default());
        Ok(MessageFile { is_anothers, ..file_of(message) })
    }
}

fn file_of(message: Node<'_>) -> MessageFile {
    let media = message.at("media");
    let has_media = message.at("hasMedia").flag() == Some(true);
    MessageFile {
        url: media.at("url").text(),
        mime_type: media.at("mimetype").text(),
        file_name: media.at("filename").text(),
        sha256: file_hash(message),
        // Some releases say so of a file that they could not even begin to load.
        error: error_of(media.at("error"))
            .or((!media.is_there() && has_media).then_some(FileError::Failed)),
        is_there: media.is_there() || has_media,
        is_anothers: false,
    }
}

/// The engine's own error object: a Boom with a status, or gRPC's with a status in its text. Of the text only
/// the first line counts; the rest is a stack.
fn error_of(error: Node<'_>) -> Option<FileError> {
    if !error.is_there() {
        return None;
    }
    let status = error.at("output").at("statusCode").int().map(|status| status.to_string());
    let details = error.at_any(&["details", "message"]).str().or_else(|| error.str());
    let line = details.and_then(|text| text.lines().next()).unwrap_or_default();
    let in_text = line.split_once("status code ").map(|(_, code)| code.chars().take(3).collect());
    let code: Option<String> = status.or(in_text);
    let is_gone = code.is_some_and(|code| GONE.contains(&code.as_str()));
    Some(if is_gone { FileError::Gone } else { FileError::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> MessageFile {
        file_of(Node::from(&json::parse(text).unwrap()))
    }

    #[test]
    fn errors_of_both_kinds_are_known() {
        let grpc = r#"{"media":{"error":{"code":13,"details":"Error: 13 INTERNAL: download failed with status code 403\n at 500"}}}"#;
        assert_eq!(read(grpc).error, Some(FileError::Gone));
        let boom = r#"{"media":{"error":{"output":{"statusCode":410},"details":"Error"}}}"#;
        assert_eq!(read(boom).error, Some(FileError::Gone));
        let other = r#"{"media":{"url":null,"error":{"details":"Error: timed out"}}}"#;
        assert_eq!(read(other).error, Some(FileError::Failed));
        assert_eq!(read(r#"{"media":null}"#), MessageFile::default());
        let early = read(r#"{"hasMedia":true,"media":null}"#);
        assert_eq!((early.error, early.is_there), (Some(FileError::Failed), true));
        assert!(read(r#"{"hasMedia":true,"media":{"url":null}}"#).is_there);
    }
}

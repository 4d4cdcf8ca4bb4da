//! The chats of a session with the time of their last message: those first in which something was written last.
//!
//! `GET /api/{session}/chats`. Its overview is never asked: it loads a picture of each chat, for which WhatsApp
//! shows the account online and mutes the phone.

use serde_json::value::RawValue;

use super::{Patience, WahaApi, WahaError};
use crate::waha::jid::chat_form;
use crate::waha::json::{self, Node};

/// Chats of a page.
pub const WAHA_CHATS_MAX: usize = 100;

/// A chat in WAHA's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedChat {
    /// WhatsApp's id of it, in the form that WAHA's webhooks have.
    pub id: String,
    /// When something was last written, in Unix seconds; none if the engine does not know.
    pub active_s: Option<i64>,
}

impl WahaApi {
    /// A page of chats, from `offset` on. A limit is always named: without one the browser engines ignore the
    /// offset, and list everything for minutes.
    pub async fn chats(&self, session: &str, offset: usize) -> Result<Vec<ListedChat>, WahaError> {
        let (limit, offset) = (WAHA_CHATS_MAX.to_string(), offset.to_string());
        let query = [
            ("limit", limit.as_str()),
            ("offset", offset.as_str()),
            ("sortBy", "conversationTimestamp"),
            ("sortOrder", "desc"),
            ("merge", "false"),
        ];
        let path = ["api", session, "chats"];
        let body = self.get(Patience::Reading, session, &path, &query).await?.unwrap_or_default();
        read(&json::storable(&body))
    }
}

fn read(text: &str) -> Result<Vec<ListedChat>, WahaError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let rows: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
    let rows = rows.map_err(|_| WahaError::Unusable("it is no list"))?;
    let chat = |row: &RawValue| {
        let parsed = json::parse(row.get()).ok()?;
        chat_of(Node::from(&parsed))
    };
    Ok(rows.into_iter().filter_map(chat).collect())
}

/// WEBJS has objects for ids, WPP calls the time `t`, NOWEB has ids of `@s.whatsapp.net`.
fn chat_of(chat: Node<'_>) -> Option<ListedChat> {
    let id = chat.at("id").text().or_else(|| chat.at("id").at("_serialized").text())?;
    let active_s = chat.at_any(&["conversationTimestamp", "timestamp", "t"]).int();
    Some(ListedChat { id: chat_form(&id), active_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_its_own_form_of_a_chat() {
        let told = r#"[{"id":"1@s.whatsapp.net","conversationTimestamp":7},
            {"id":{"_serialized":"2@c.us","user":"2"},"timestamp":6},{"id":"3@g.us","t":5},
            {"id":"4@c.us","conversationTimestamp":null},{"name":"nobody"}]"#;
        let expected =
            [("1@c.us", Some(7)), ("2@c.us", Some(6)), ("3@g.us", Some(5)), ("4@c.us", None)];
        let chats = read(told).unwrap();
        let chats: Vec<_> = chats.iter().map(|chat| (chat.id.as_str(), chat.active_s)).collect();
        assert_eq!(chats, expected);
        assert_eq!(read(""), Ok(Vec::new()));
        assert!(read("{}").is_err());
    }
}

//! A page of a session's messages, as the engine's own store has them.
//!
//! `GET /api/{session}/chats/{chat}/messages`. Never with `downloadMedia`, which is WAHA's default and would load
//! every file of the page from WhatsApp; never merged, so that each row keeps the id of its own chat.

use serde_json::value::RawValue;

use super::{Patience, WahaApi, WahaError};
use crate::waha::json::{self, Node};

/// Stands for all chats; NOWEB and GOWS know it.
pub const ALL_CHATS: &str = "all";

/// Which messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery<'a> {
    /// WAHA's name of the session.
    pub session: &'a str,
    /// WhatsApp's id of the chat, or [`ALL_CHATS`].
    pub chat: &'a str,
    /// Sent from this time on, in Unix seconds.
    pub from_s: Option<i64>,
    /// Sent up to this time, in Unix seconds.
    pub until_s: Option<i64>,
    /// Whether the oldest come first. WEBJS does not listen to it.
    pub is_ascending: bool,
    /// Rows to leave out.
    pub offset: usize,
    /// Rows at most, counted before some are left out.
    pub limit: usize,
}

/// Messages in the form in which webhooks tell them, as WAHA wrote each.
#[derive(Debug)]
pub struct MessagePage(Box<str>);

impl WahaApi {
    /// A page of messages. How many come says nothing of how many are left. A few that the engine's store has at hand
    /// may take no longer than other light calls.
    pub async fn messages(
        &self,
        patience: Patience,
        query: &MessageQuery<'_>,
    ) -> Result<MessagePage, WahaError> {
        let (path, pairs) = asked(query);
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let body = self.get(patience, query.session, &path, &pairs).await?;
        let page = MessagePage(json::storable(&body.unwrap_or_default()).into());
        page.read().map(drop)?;
        Ok(page)
    }
}

/// The path of a query, and what stands behind it.
fn asked<'a>(query: &MessageQuery<'a>) -> ([&'a str; 5], Vec<(&'static str, String)>) {
    let path = ["api", query.session, "chats", query.chat, "messages"];
    let numbers = [
        ("limit", Some(i64::try_from(query.limit).unwrap_or(i64::MAX))),
        ("offset", Some(i64::try_from(query.offset).unwrap_or(i64::MAX))),
        ("filter.timestamp.gte", query.from_s),
        ("filter.timestamp.lte", query.until_s),
    ];
    let mut pairs = vec![
        ("downloadMedia", "false".to_owned()),
        ("merge", "false".to_owned()),
        ("sortBy", "timestamp".to_owned()),
        ("sortOrder", if query.is_ascending { "asc" } else { "desc" }.to_owned()),
    ];
    pairs
        .extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
    (path, pairs)
}

impl MessagePage {
    /// Each message as WAHA wrote it.
    pub fn rows(&self) -> Vec<&RawValue> {
        // It has been read once.
        self.read().unwrap_or_default()
    }

    /// When those were sent that the account did not write itself, in Unix seconds.
    pub fn sent_by_others(&self) -> Vec<i64> {
        let sent_s = |row: &RawValue| {
            let parsed = json::parse(row.get()).ok()?;
            let message = Node::from(&parsed);
            let is_own = message.at("fromMe").flag().unwrap_or(true);
            message.at("timestamp").int().filter(|_| !is_own)
        };
        self.rows().into_iter().filter_map(sent_s).collect()
    }

    fn read(&self) -> Result<Vec<&RawValue>, WahaError> {
        // An unknown chat is null in some engines, which is an empty body.
        if self.0.trim().is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(&self.0).map_err(|_| WahaError::Unusable("it is no list"))
    }
}

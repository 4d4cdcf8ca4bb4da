//! What the lines of all kinds have in common.

use std::io::{BufRead, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::StoreError;
use crate::strict_json::Object;
use crate::webhook::envelope::is_key_text;
use crate::webhook::storable::{
    EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, SESSION_BYTES_MAX, SOURCE_BYTES_MAX,
};
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// Longest line: the largest body that a door may be configured to take, as base64.
const LINE_BYTES_MAX: u64 = 2 << 30;

/// What names a webhook in a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineHead {
    pub(super) source: String,
    pub(super) session: String,
    pub(super) event_type: String,
    pub(super) webhook_id: String,
    pub(super) webhook_at: DateTime<Utc>,
    pub(super) received_at: DateTime<Utc>,
}

impl LineHead {
    /// The webhook, as a request of its own; `is_replay` if it ended before as a dead letter.
    pub(super) fn webhook(
        self,
        headers: Headers,
        body: LineBody,
        is_replay: bool,
    ) -> Result<Webhook, &'static str> {
        let at_ms = self.webhook_at.timestamp_millis();
        let received_at_ms = self.received_at.timestamp_millis();
        Ok(Webhook::from(WebhookParts {
            key: self.key()?,
            receipt: Receipt::new(),
            at_ms,
            received_at_ms,
            replay: is_replay,
            headers,
            body: body.bytes()?.into(),
        }))
    }

    /// Its key, if a door could have let the parts in.
    fn key(self) -> Result<WebhookKey, &'static str> {
        let Self { source, session, event_type, webhook_id: id, .. } = self;
        let fits = |text: &str, max| text.is_empty() || is_key_text(text, max);
        if !fits(&source, SOURCE_BYTES_MAX) || !is_key_text(&id, ID_BYTES_MAX) {
            return Err("its source or webhook_id can't be used");
        }
        if !fits(&session, SESSION_BYTES_MAX) || !fits(&event_type, EVENT_TYPE_BYTES_MAX) {
            return Err("its session or event_type can't be used");
        }
        Ok(WebhookKey { source, session, event_type, id })
    }
}

/// A body in a line, byte for byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineBody {
    /// The body, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl LineBody {
    pub(super) fn of(body: Vec<u8>) -> Self {
        match String::from_utf8(body) {
            Ok(text) => Self { body: Some(text), body_base64: None },
            Err(error) => Self { body: None, body_base64: Some(STANDARD.encode(error.as_bytes())) },
        }
    }

    /// Whether the line has none.
    pub(super) fn is_none(&self) -> bool {
        self.body.is_none() && self.body_base64.is_none()
    }

    fn bytes(self) -> Result<Vec<u8>, &'static str> {
        match (self.body, self.body_base64) {
            (Some(text), None) => Ok(text.into_bytes()),
            (None, Some(text)) => STANDARD.decode(text).map_err(|_| "its body is not base64"),
            (Some(_), Some(_)) | (None, None) => Err("it needs body or body_base64"),
        }
    }
}

/// Why lines could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A line can't be used. Nothing of its page and of what follows it is imported.
    #[error("line {number} can't be imported: {problem}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it, without its content.
        problem: String,
    },
    /// It could not be read or written.
    #[error("the file could not be read or written")]
    File(#[from] std::io::Error),
    /// The tables could not be read or written.
    #[error("the tables could not be read or written")]
    Store(#[from] StoreError),
}

/// The next line that is not empty.
pub(super) fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, std::io::Error> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        if !text.trim_ascii().is_empty() {
            return Ok(Some(text));
        }
    }
}

/// The error of a line that can't be used.
pub(super) fn wrong(number: u64) -> impl Fn(&str) -> LineError {
    move |problem| LineError::Line { number, problem: problem.to_owned() }
}

/// Reads a line; an error tells its place, not its text.
pub(super) fn read_line<T: DeserializeOwned>(text: &[u8], number: u64) -> Result<T, LineError> {
    let Object(line): Object<T> = serde_json::from_slice(text).map_err(|error| {
        let problem = format!("{:?} error at column {}", error.classify(), error.column());
        LineError::Line { number, problem }
    })?;
    Ok(line)
}

//! How a request was answered, in words that a person can act on.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;

/// What is kept of the reason that an answer gives, in characters.
const DETAIL_CHARS_MAX: usize = 200;

/// How a request was answered, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// With this status code, and what the problem is said to be.
    Status(u16, Option<String>),
    /// Not at all: connection refused, timed out and the like.
    None(String),
}

impl Answer {
    /// Reads it to its end, so that the connection is used again; with how long it asks to wait.
    pub(super) async fn read(response: reqwest::Response) -> (Self, Duration) {
        let status = response.status();
        let wait = retry_after(&response);
        let body = response.bytes().await.unwrap_or_default();
        let detail = (!status.is_success()).then(|| detail(&body)).flatten();
        (Self::Status(status.as_u16(), detail), wait)
    }

    /// No answer came.
    pub(super) fn none(error: &reqwest::Error) -> Self {
        Self::None(words(error))
    }

    /// The status code, if there is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status, _) => Some(*status),
            Self::None(_) => None,
        }
    }

    /// Whether the webhook was taken.
    pub fn is_accepted(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, detail) => {
                write!(f, "{status}")?;
                let name = StatusCode::from_u16(*status).ok();
                name.and_then(|it| it.canonical_reason())
                    .map_or(Ok(()), |it| write!(f, " {it}"))?;
                detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
            Self::None(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// What problem details say; an answer of somebody else says nothing.
fn detail(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    let detail = problem.get("detail")?.as_str()?;
    Some(detail.chars().take(DETAIL_CHARS_MAX).collect())
}

/// The innermost cause, which says what happened; the outer ones repeat the URL.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "connecting timed out" } else { "it timed out" }.to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            "the connection broke".to_owned()
        }
        _ => cause.to_string().chars().take(DETAIL_CHARS_MAX).collect(),
    }
}

fn retry_after(response: &reqwest::Response) -> Duration {
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(header.and_then(|text| text.parse().ok()).unwrap_or_default())
}

//! What WAHA's status and body mean. Pure.
//!
//! A 500 stands for many things, plain mistakes of the caller among them, so its body is read to decide
//! (`nestjs/AllExceptionsFilter.ts`). Nothing of a body goes further than the decision.

use std::borrow::Cow;

use super::error::{Missing, WahaError};
use crate::waha::json::{self, Node};

/// gRPC's codes of what passes: `DEADLINE_EXCEEDED` and `UNAVAILABLE`.
const GRPC_PASSING: [i64; 2] = [4, 14];
/// What WhatsApp calls its rate limit.
const RATE_LIMIT: &str = "rate-overlimit";
/// What WhatsApp says of a group that is not there, or that the account is not in.
const ITEM_NOT_FOUND: &str = "item-not-found";
/// What a browser engine says while its page loads anew.
const PAGE_RELOADED: &str = "context was destroyed";

/// What an answer that is no success means.
pub(super) fn error_of(status: u16, body: &[u8]) -> WahaError {
    let text = json::storable(body);
    let parsed = json::parse(&text).ok();
    let body = Body(parsed.as_ref().map_or_else(Node::default, Node::from));
    match status {
        400 | 404 | 422 | 501 if !body.is_wahas() => {
            WahaError::Away(format!("what answered {status} is not WAHA"))
        }
        301..=399 => WahaError::Unusable("a redirect, which is not followed"),
        400 | 501 => WahaError::Unsupported,
        401 => WahaError::Unauthorized,
        403 => WahaError::Forbidden,
        404 => body.not_found(),
        422 => body.unprocessable(),
        // No WAHA of itself, but what stands before it.
        429 => WahaError::Busy("a limit of requests"),
        500 => body.failure(),
        502..=504 => WahaError::Away(format!("it or its proxy answered {status}")),
        status => WahaError::Failed(status),
    }
}

/// A body of an error.
struct Body<'a>(Node<'a>);

impl Body<'_> {
    /// Whether WAHA said so. A proxy that has no WAHA behind it at the moment answers 404, too, and what is believed
    /// of that is believed for good.
    fn is_wahas(&self) -> bool {
        let has = |name| self.0.at(name).is_there();
        has("statusCode") || has("session") || self.0.at("error").at("key").is_there()
    }

    fn message(&self) -> Cow<'_, str> {
        self.0.at("message").str().unwrap_or_default().into()
    }

    fn not_found(&self) -> WahaError {
        let message = self.message();
        if self.0.at("error").at("key").str() == Some("FILE_NOT_FOUND") {
            WahaError::NotFound(Missing::File)
        } else if message == "Message not found" {
            WahaError::NotFound(Missing::Message)
        } else if message.starts_with("We didn't find a session") {
            // It says so of one that does not run as well.
            WahaError::NotReady
        } else if message == "Session not found" {
            WahaError::NoSession
        } else if message.starts_with("Cannot ") {
            WahaError::Unsupported
        } else {
            WahaError::NotFound(Missing::Other)
        }
    }

    /// The session is not there or not working; or this WAHA sells the feature.
    fn unprocessable(&self) -> WahaError {
        if self.0.at("session").is_there() { WahaError::NotReady } else { WahaError::Unsupported }
    }

    fn failure(&self) -> WahaError {
        let exception = self.0.at("exception");
        let message = exception.at("message").str().unwrap_or_default();
        let is_grpc = exception.at("metadata").is_there();
        let code = exception.at("code").int().filter(|_| is_grpc);
        if message.contains(RATE_LIMIT) || exception.at("data").int() == Some(429) {
            WahaError::Busy("WhatsApp's rate limit")
        } else if code.is_some_and(|code| GRPC_PASSING.contains(&code)) {
            WahaError::Busy("its engine does not answer")
        } else if message.contains(PAGE_RELOADED) {
            WahaError::Busy("its page was loaded anew")
        } else if message.ends_with("not found") || message.ends_with(ITEM_NOT_FOUND) {
            WahaError::NotFound(Missing::Other)
        } else {
            WahaError::Failed(500)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_they_mean() {
        let not_found = |message| format!(r#"{{"message":"{message}","statusCode":404}}"#);
        let failed = |exception| format!(r#"{{"statusCode":500,"exception":{exception}}}"#);
        let cases = [
            (404, not_found("Message not found"), "message_unknown"),
            (404, r#"{"error":{"code":404,"key":"FILE_NOT_FOUND"}}"#.to_owned(), "expired"),
            (404, not_found("Cannot GET /api/sales/lids"), "unsupported"),
            (404, not_found("Session not found"), "session_unknown"),
            (
                404,
                not_found("We didn't find a session with name 's'.\\nPlease"),
                "session_not_working",
            ),
            (
                422,
                r#"{"error":"x","session":"s","status":"FAILED"}"#.to_owned(),
                "session_not_working",
            ),
            (422, r#"{"message":"only in Plus","statusCode":422}"#.to_owned(), "unsupported"),
            (400, r#"{"message":"Enable NOWEB","statusCode":400}"#.to_owned(), "unsupported"),
            (404, "404 page not found".to_owned(), "waha_away"),
            (404, r#"{"message":"no Route matched with those values"}"#.to_owned(), "waha_away"),
            (400, "<html>".to_owned(), "waha_away"),
            (422, String::new(), "waha_away"),
            (429, String::new(), "waha_busy"),
            (429, r#"{"message":"Too Many Requests","statusCode":429}"#.to_owned(), "waha_busy"),
            (500, failed(r#"{"message":"rate-overlimit","data":429}"#), "waha_busy"),
            (
                500,
                failed(r#"{"code":14,"metadata":{},"message":"14 UNAVAILABLE: x"}"#),
                "waha_busy",
            ),
            (500, failed(r#"{"code":2,"metadata":{},"message":"2 UNKNOWN: x"}"#), "waha_failed"),
            (500, failed(r#"{"message":"Execution context was destroyed, most"}"#), "waha_busy"),
            (500, failed(r#"{"message":"Group with id '1@g.us' not found"}"#), "message_unknown"),
            (
                500,
                failed(
                    r#"{"code":2,"metadata":{},"message":"2 UNKNOWN: status 404: item-not-found"}"#,
                ),
                "message_unknown",
            ),
            (500, "<html>".to_owned(), "waha_failed"),
            (503, String::new(), "waha_away"),
            (302, String::new(), "waha_unusable"),
        ];
        for (status, body, reason) in cases {
            assert_eq!(error_of(status, body.as_bytes()).reason(), reason, "{status} {body}");
        }
    }

    #[test]
    fn nothing_of_a_body_is_in_an_error() {
        let secret = r#"{"exception":{"message":"secret"},"request":{"body":{"hmac":"secret"}}}"#;
        for status in 300..600 {
            let error = error_of(status, secret.as_bytes());
            assert!(!format!("{error} {error:?}").contains("secret"), "{status}");
        }
    }
}

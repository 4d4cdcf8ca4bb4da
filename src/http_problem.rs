//! Answers that say what went wrong, in the form of RFC 9457. Called by `server` and `admin`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};

/// The media type of such answers.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// When a sender should come back, in seconds. WAHA takes the longer of this and its own delay.
const RETRY_AFTER_S: u32 = 2;

/// An answer with a status and what the sender can change.
pub fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
    }
    response.insert_header((CONTENT_TYPE, PROBLEM_JSON));
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail });
    response.body(body.to_string())
}

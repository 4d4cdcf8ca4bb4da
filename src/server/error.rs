//! Why a webhook was not taken in -> status code and problem details (RFC 9457), in one match.
//!
//! Causes are logged, never returned: an answer names what the sender can change.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};

use crate::queue::QueueError;
use crate::webhook::verify::VerifyError;

/// When a sender should come back, in seconds. WAHA takes the longer of this and its own delay.
const RETRY_AFTER_S: u32 = 2;

/// Why a webhook was not taken in. Nothing was queued, except perhaps after a time-out.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// No such source.
    #[error("no source of this name is configured")]
    UnknownSource,
    /// The body is over the limit.
    #[error("the body has more than {bytes_max} bytes (server.body_bytes_max)")]
    TooLarge {
        /// The configured limit.
        bytes_max: usize,
    },
    /// The body did not arrive in time.
    #[error("the body took longer than {} s to arrive", .0.as_secs())]
    SlowBody(Duration),
    /// The connection broke within the body.
    #[error("the body is incomplete")]
    BrokenBody,
    /// Not from its source.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// Too many bodies in memory.
    #[error("too many webhooks at a time (server.memory_bytes_max)")]
    Busy,
    /// The queue refused.
    #[error("the webhook could not be made durable")]
    Queue(#[from] QueueError),
    /// The queue was too slow.
    #[error("the webhook was not durable within {} ms", .0.as_millis())]
    PublishTimeout(Duration),
}

impl ResponseError for ReceiveError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Busy | Self::Queue(_) | Self::PublishTimeout(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(error = self as &dyn std::error::Error, "webhook not accepted");
        }
        problem(status, &self.to_string())
    }
}

/// An answer in the form of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
    }
    response.insert_header((CONTENT_TYPE, "application/problem+json"));
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail });
    response.body(body.to_string())
}

/// Any other path.
pub(super) async fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "webhooks are taken at POST /webhooks/{source}")
}

/// Any other method on the webhook route.
pub(super) async fn method_not_allowed() -> HttpResponse {
    problem(StatusCode::METHOD_NOT_ALLOWED, "webhooks are taken with POST only")
}

//! Why a webhook was not taken in -> status code and how it is counted, in one match each.
//!
//! Causes are logged, never returned: an answer names what the sender can change.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::Door;
use crate::http_problem::problem;
use crate::metrics::door::Response;
use crate::queue::QueueError;
use crate::telemetry::outage_log::{DueLine, OutageLog};
use crate::telemetry::refusals::RefusalReason;
use crate::webhook::verify::VerifyError;

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
    /// The body came more slowly than it must.
    #[error("the body came with less than {0} bytes a second (server.body_rate_min_bytes)")]
    SlowRate(u64),
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

impl ReceiveError {
    /// How it is counted.
    pub(super) fn response(&self) -> Response {
        match self {
            Self::UnknownSource => Response::UnknownSource,
            Self::TooLarge { .. } => Response::TooLarge,
            Self::SlowBody(_) | Self::SlowRate(_) => Response::SlowBody,
            Self::BrokenBody => Response::BrokenBody,
            Self::Refused(_) => Response::BadSignature,
            Self::Busy => Response::Busy,
            Self::Queue(_) => Response::Unavailable,
            Self::PublishTimeout(_) => Response::Timeout,
        }
    }

    /// What is told of it.
    pub(super) fn reason(&self) -> RefusalReason {
        match self {
            Self::UnknownSource => RefusalReason::UnknownSource,
            Self::TooLarge { .. } => RefusalReason::TooLarge,
            Self::SlowBody(_) | Self::SlowRate(_) => RefusalReason::SlowBody,
            Self::BrokenBody => RefusalReason::BrokenBody,
            Self::Refused(VerifyError::Unsigned) => RefusalReason::Unsigned,
            Self::Refused(VerifyError::Algorithm) => RefusalReason::Algorithm,
            Self::Refused(VerifyError::Signature) => RefusalReason::Signature,
            Self::Busy => RefusalReason::Busy,
            Self::Queue(_) => RefusalReason::Unavailable,
            Self::PublishTimeout(_) => RefusalReason::Timeout,
        }
    }

    /// Says that a webhook had to be refused for a reason of ours; not of each, if many are.
    pub(super) fn log(&self, refusals: &OutageLog) {
        if let Some(DueLine { error, failures }) = refusals.failed(self) {
            tracing::warn!(error, webhooks.count = failures, "webhook not accepted");
        }
    }
}

impl ResponseError for ReceiveError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) | Self::SlowRate(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Busy | Self::Queue(_) | Self::PublishTimeout(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        problem(self.status_code(), &self.to_string())
    }
}

/// Any other path.
pub(super) async fn not_found(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    door.refused(request.peer_addr(), request.headers(), None, RefusalReason::UnknownPath);
    problem(StatusCode::NOT_FOUND, "webhooks are taken at POST /webhooks/{source}")
}

/// Any other method on the webhook route.
pub(super) async fn method_not_allowed() -> HttpResponse {
    problem(StatusCode::METHOD_NOT_ALLOWED, "webhooks are taken with POST only")
}

//! Why the API did not do what it was asked -> status code and problem details, in one match.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::http_problem::problem;
use crate::store::StoreError;
use crate::store::operations::feed::Gone;

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// The status in words.
    title: String,
    /// The status of this answer.
    status: u16,
    /// What the sender can change.
    detail: String,
}

/// What any request may be answered with when it is refused. For descriptions only.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "utoipa reads it, nobody makes one")]
pub(super) enum Refused {
    /// The request can't be read or asks for what can't be.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] Problem),
    /// No token, or one that is not known.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem),
    /// The token's role does not reach, or a foreign page asked.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The database is away.
    #[response(status = 503, content_type = "application/problem+json")]
    Away(#[to_schema] Problem),
}

/// What a request with a body may be answered with beside. For descriptions only.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "utoipa reads it, nobody makes one")]
pub(super) enum RefusedBody {
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body has another content type.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem),
}

/// Why the API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// What was asked can't be; the text says what to change.
    #[error("{0}")]
    BadRequest(String),
    /// Something else is in the way; the text says what.
    #[error("{0}")]
    Conflict(String),
    /// It was there and is not any more; the text says how to go on.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The body has another content type.
    #[error("the content type must be application/json")]
    NotJson,
    /// The body is too large.
    #[error("the body has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// The database did not answer.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Store(error) = self {
            tracing::warn!(error = error.detail(), "an operator's request failed");
        }
        problem(self.status_code(), &self.to_string())
    }
}

/// Bodies that can't be read are problems, too. What was sent is not quoted.
pub(super) fn json_config() -> web::JsonConfig {
    use actix_web::error::JsonPayloadError as Cause;
    web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|cause, _| {
        let error = match cause {
            Cause::ContentType => ApiError::NotJson,
            Cause::OverflowKnownLength { .. } | Cause::Overflow { .. } => ApiError::TooLarge,
            _ => ApiError::BadRequest("the body is not the JSON that is described".to_owned()),
        };
        error.into()
    })
}

pub(super) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|_, _| {
        ApiError::BadRequest("the query is not the one that is described".to_owned()).into()
    })
}

pub(super) fn path_config() -> web::PathConfig {
    web::PathConfig::default()
        .error_handler(|_, _| ApiError::BadRequest("the path holds no number".to_owned()).into())
}

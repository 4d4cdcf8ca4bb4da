//! Why the API did not do what it was asked -> status code and problem details, in one match.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::PREFIX;
use crate::admin::access::AccessError;
use crate::http_problem::problem;
use crate::media::storage::StorageError;
use crate::queue::QueueError;
use crate::store::StoreError;
use crate::store::bodies::BodyError;
use crate::store::operations::feed::Gone;
use crate::telemetry::cause;

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Longest quotation of what was sent.
const PROBLEM_CHARS_MAX: usize = 300;

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
    /// The line of the request and its headers have more than 7 KiB; the connection ends with it, without a body.
    #[response(status = 431)]
    HeadTooLarge,
    /// The database or the queue is away.
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
    /// Others follow the feed already.
    #[error("{0} follow the feed here already: ask again in a minute, or another process")]
    TooManyFollowers(usize),
    /// Who asks may not ask for this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The body has another content type.
    #[error("the content type must be application/json")]
    NotJson,
    /// The body is too large.
    #[error("the body has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// The database did not answer.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
    /// It is stored, and can't be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A stored file is not there any more.
    #[error(
        "the stored file is not there any more: `media verify --retry` has it fetched again, if WAHA still has it"
    )]
    FileGone,
    /// The storage of files did not answer.
    #[error("the storage of files did not answer")]
    Storage(#[source] StorageError),
    /// The queue did not answer.
    #[error("the queue did not answer")]
    Queue(#[from] QueueError),
}

impl ApiError {
    /// What was sent as `name` can't be read; serde says what is wrong with it, and often what is allowed.
    pub(in crate::admin) fn refused(name: &str, problem: &str) -> Self {
        let short = |text: &str| text.chars().take(PROBLEM_CHARS_MAX).collect::<String>();
        let name = short(name);
        let problem = short(&in_our_words(problem));
        Self::BadRequest(format!("{name}: {problem} (see {PREFIX}/openapi.json)"))
    }

    /// Whether the same may succeed a little later, because the database is away.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if error.class().is_blameless())
    }

    /// Logs what is away; all else is told to who asked.
    pub(in crate::admin) fn log(&self, what: &'static str) {
        let cause = match self {
            Self::Store(error) => error.detail(),
            Self::Storage(error) => cause::words(error),
            Self::Queue(error) => cause::words(error),
            Self::Body(error) => error.to_string(),
            _ => return,
        };
        tracing::warn!(error = cause, "{what}");
    }
}

/// What `str::parse` says of a text that should be a number: nothing of what is allowed.
const NUMBER_PROBLEMS: [&str; 4] = [
    "invalid digit found in string",
    "cannot parse integer from empty string",
    "number too large to fit in target type",
    "number too small to fit in target type",
];

/// What chrono says of a text that should be a time.
const TIME_PROBLEMS: [&str; 5] = [
    "premature end of input",
    "input contains invalid characters",
    "input is out of range",
    "trailing input",
    "no possible date and time with given input",
];

/// A parser's words, said for who sent the text; where it stands in a body is kept.
fn in_our_words(problem: &str) -> String {
    let replace = |words: &[&str], by: &str| {
        words.iter().find_map(|it| problem.strip_prefix(it)).map(|rest| format!("{by}{rest}"))
    };
    replace(&NUMBER_PROBLEMS, "must be a whole number")
        .or_else(|| replace(&TIME_PROBLEMS, "must be a time such as 2026-11-28T09:00:00Z"))
        .unwrap_or_else(|| problem.to_owned())
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Missing => Self::FileGone,
            error @ StorageError::Failed(_) => Self::Storage(error),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) | Self::FileGone => StatusCode::GONE,
            Self::TooManyFollowers(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Access(error) => error.status_code(),
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) | Self::Storage(_) | Self::Queue(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.log("an operator's request failed");
        problem(self.status_code(), &self.to_string())
    }
}

/// Bodies that can't be read are problems, too.
pub(super) fn json_config() -> web::JsonConfig {
    use actix_web::error::JsonPayloadError as Cause;
    web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|cause, _| {
        let error = match cause {
            Cause::ContentType => ApiError::NotJson,
            Cause::OverflowKnownLength { .. } | Cause::Overflow { .. } => ApiError::TooLarge,
            Cause::Deserialize(error) => ApiError::refused("the body", &error.to_string()),
            _ => ApiError::BadRequest("the body is not the JSON that is described".to_owned()),
        };
        error.into()
    })
}

pub(super) fn path_config() -> web::PathConfig {
    web::PathConfig::default()
        .error_handler(|_, _| ApiError::BadRequest("the path holds no number".to_owned()).into())
}

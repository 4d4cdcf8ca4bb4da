//! WAHA's refusals, as its exception filter writes them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::answer;
use crate::simulate::json::{Obj, obj};

/// Why a request gets no answer of its endpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the request is not valid")]
    Invalid(Vec<String>),
    #[error("{0}")]
    BadRequest(String),
    #[error("no, a wrong or an inactive key")]
    Unauthorized,
    #[error("the key is for another session or lacks the scope")]
    Forbidden,
    #[error("{0}")]
    NotFound(String),
    #[error("the file is gone")]
    FileNotFound,
    #[error("session {0} does not exist")]
    NoSuchSession(String),
    #[error("session {session} is {status}")]
    NotWorking { session: String, status: String },
    #[error("{0}")]
    Unprocessable(String),
    #[error("{0}")]
    NotImplemented(String),
    /// The whole body, which repeats the request.
    #[error("an exception")]
    Exception(Obj),
}

impl ApiError {
    pub(super) fn session_not_found() -> Self {
        Self::NotFound("Session not found".to_owned())
    }

    pub(super) fn not_running(name: &str) -> Self {
        Self::NotFound(format!(
            "We didn't find a session with name '{name}'.\nPlease start it first by using POST \
             /api/sessions/{name}/start request"
        ))
    }

    pub(super) fn message_not_found() -> Self {
        Self::NotFound("Message not found".to_owned())
    }

    pub(super) fn no_route(request: &HttpRequest) -> Self {
        Self::NotFound(format!("Cannot {} {}", request.method(), request.uri()))
    }

    fn body(&self) -> Obj {
        let status = self.status_code();
        let named = |message: &str| {
            let error = status.canonical_reason();
            obj! { "message": message, "error": error, "statusCode": i32::from(status.as_u16()) }
        };
        match self {
            Self::Invalid(messages) => {
                obj! { "message": messages.clone(), "error": "Bad Request", "statusCode": 400 }
            }
            Self::Unauthorized => obj! { "message": "Unauthorized", "statusCode": 401 },
            Self::Forbidden => obj! { "message": "Forbidden", "statusCode": 403 },
            Self::FileNotFound => obj! { "error": obj! {
                "code": 404, "key": "FILE_NOT_FOUND", "message": "File not found",
                "details": "File not found or no longer available",
            } },
            Self::NoSuchSession(name) => obj! {
                "error": format!("Session \"{name}\" does not exist"), "session": name,
            },
            Self::NotWorking { session, status } => obj! {
                "error": "Session status is not as expected. Try again later or restart the session",
                "session": session, "status": status, "expected": vec!["WORKING"],
            },
            Self::Exception(body) => body.clone(),
            Self::BadRequest(text)
            | Self::NotFound(text)
            | Self::Unprocessable(text)
            | Self::NotImplemented(text) => named(text),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::FileNotFound => StatusCode::NOT_FOUND,
            Self::NoSuchSession(_) | Self::NotWorking { .. } | Self::Unprocessable(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Exception(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        answer::json_with(self.status_code(), &self.body())
    }
}

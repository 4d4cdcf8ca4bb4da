//! Why a page can't be shown, or something not be done: as a page.

use actix_web::error::QueryPayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError, web};
use askama::Template;

use super::frame::{Frame, Section, html};
use super::users::Visitor;
use crate::admin::access::AccessError;
use crate::admin::api::ApiError;
use crate::store::StoreError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// As the API says it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Somebody may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A form came without the code of the page, or with that of another session.
    #[error("this form is not of a page of yours, or your session has ended: open the page again")]
    NoCode,
    /// What was sent is longer than a form may be.
    #[error("the form is longer than is taken: 16 KiB to log in, 4 MiB elsewhere")]
    FormTooLong,
    /// What was sent is no form.
    #[error("what was sent is no form")]
    NotAForm,
    /// The secret is of no token.
    #[error("no token has this secret")]
    WrongToken,
    /// Too many tried with a wrong one.
    #[error("too many failed attempts: wait a minute")]
    TooManyAttempts,
    /// A template failed.
    #[error("this page can't be shown")]
    Template(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "error.html", config = "src/admin/console/askama.toml")]
struct ErrorPage {
    frame: Frame,
    what: String,
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl PageError {
    /// The page for somebody, or for nobody in particular.
    pub(super) fn of(&self, visitor: Option<&Visitor>) -> HttpResponse {
        if let Self::Api(error) = self {
            error.log("a page of the console failed");
        }
        let status = self.status_code();
        let title = status.canonical_reason().unwrap_or("Error");
        let page = ErrorPage {
            frame: Frame::plain(title, Section::None, visitor),
            what: self.to_string(),
        };
        let mut answer = html(status, &page).unwrap_or_else(|_| HttpResponse::new(status));
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.headers_mut().insert(RETRY_AFTER, 60.into());
        }
        answer
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Api(error) => error.status_code(),
            Self::Access(error) => error.status_code(),
            Self::NoCode => StatusCode::FORBIDDEN,
            Self::FormTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAForm => StatusCode::BAD_REQUEST,
            Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Template(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.of(None)
    }
}

pub(super) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default()
        .error_handler(|error, _| PageError::from(query_refused(&error)).into())
}

/// What serde says is wrong with a query, which names the field.
pub(super) fn query_refused(error: &QueryPayloadError) -> ApiError {
    let QueryPayloadError::Deserialize(problem) = error else {
        return ApiError::BadRequest("the query is none of this page".to_owned());
    };
    ApiError::refused("the query", &problem.to_string())
}

pub(super) fn path_config() -> web::PathConfig {
    web::PathConfig::default()
        .error_handler(|_, _| PageError::from(ApiError::NotFound("page")).into())
}

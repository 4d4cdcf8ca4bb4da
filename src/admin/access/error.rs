//! Why somebody is not let in -> status code, in one match.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::{Right, Role};
use crate::http_problem::problem;

/// Why somebody is not let in. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// There is no bearer token.
    #[error("a bearer token is needed (admin.tokens)")]
    NoToken,
    /// No configured token has this secret.
    #[error("the token is not known")]
    UnknownToken,
    /// The token's role does not give the right.
    #[error("this needs a token with one of the roles: {}", Role::giving(*.0))]
    Lacks(Right),
    /// The request was not addressed to this machine by a local name.
    #[error("without tokens only localhost and loopback addresses are answered")]
    ForeignHost,
    /// A page of another origin made the request.
    #[error("a page of another origin may not ask")]
    ForeignPage,
    /// A request that changes something has another content type.
    #[error("the content type must be application/json")]
    NotJson,
}

impl ResponseError for AccessError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::UnknownToken => StatusCode::UNAUTHORIZED,
            Self::Lacks(_) | Self::ForeignHost | Self::ForeignPage => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = problem(self.status_code(), &self.to_string());
        if self.status_code() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

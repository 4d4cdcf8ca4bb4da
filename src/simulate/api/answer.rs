//! Answers as Nest and Express write them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::error::ApiError;
use crate::simulate::json::Wire;

/// What a handler comes to.
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// 200 with this as JSON.
pub(super) fn json(value: &impl Wire) -> HttpResponse {
    json_with(StatusCode::OK, value)
}

/// The same with another status.
pub(super) fn json_with(status: StatusCode, value: &impl Wire) -> HttpResponse {
    let mut body = String::new();
    value.write(&mut body);
    HttpResponse::build(status).content_type("application/json; charset=utf-8").body(body)
}

/// What null becomes: nothing at all.
pub(super) fn empty(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).finish()
}

//! A form that somebody sent. Invariant: none is read that does not hold the code of the sender's own pages.

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::error::PageError;
use super::users::Visitor;
use crate::admin::api::ApiError;

/// What every form holds.
const CODE: &str = "code";

/// The fields of a form, and who sent it.
pub(super) struct Form {
    pub(super) visitor: Visitor,
    fields: Fields,
}

/// Names and values.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of a body of the type that browsers send.
    pub(super) fn read(
        request: &HttpRequest,
        body: Result<web::Bytes, actix_web::Error>,
    ) -> Result<Self, PageError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let is_form = |kind: &[u8]| kind.starts_with(b"application/x-www-form-urlencoded");
        if !kind.is_some_and(|kind| is_form(kind.as_bytes())) {
            return Err(PageError::NotAForm);
        }
        let body = body.map_err(|_| PageError::FormTooLong)?;
        let fields = serde_html_form::from_bytes(&body).map_err(|_| PageError::NotAForm)?;
        Ok(Self(fields))
    }

    /// The value of a field; none if it is not there or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

impl Form {
    /// The value of a field; none if it is not there or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// A text of several lines. Browsers end them their own way.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().replace("\r\n", "\n")
    }

    /// A number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, PageError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.trim().parse().ok();
        let wrong = || ApiError::BadRequest(format!("{name} is not a number"));
        Ok(Some(number.ok_or_else(wrong)?))
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = web::Bytes::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let visitor = request.extensions().get::<Visitor>().cloned();
            let visitor = visitor.ok_or(PageError::NoCode)?;
            let fields = Fields::read(&request, body.await)?;
            let is_ours = fields.get(CODE).is_some_and(|code| visitor.cookie.is_form_code(code));
            if is_ours { Ok(Self { visitor, fields }) } else { Err(PageError::NoCode) }
        })
    }
}

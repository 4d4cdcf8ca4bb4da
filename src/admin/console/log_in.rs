//! Logging in with a token's secret, and out.

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::cookie::Cookie;
use super::error::PageError;
use super::form::{Fields, Form};
use super::frame::{Frame, Section, html, see_other, shown};
use super::guard::has_tls;
use crate::admin::{Admin, access};

#[derive(Template)]
#[template(path = "log_in.html", config = "src/admin/console/askama.toml")]
struct LogInPage {
    frame: Frame,
    /// Where to go then.
    next: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "onward.html", config = "src/admin/console/askama.toml")]
struct OnwardPage {
    frame: Frame,
    path: String,
}

#[derive(Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// The address of the log-in that leads to a page.
pub(super) fn address_of(path: &str) -> String {
    match path {
        "/" => "/log-in".to_owned(),
        path => format!("/log-in?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC)),
    }
}

/// Sends a browser on from a page of ours, so that it shows its cookie.
pub(super) fn onward(path: &str) -> HttpResponse {
    let frame = Frame::plain("Continue", Section::None, None);
    let page = OnwardPage { frame, path: own_path(Some(path)) };
    html(StatusCode::OK, &page).unwrap_or_else(|_| see_other("/log-in"))
}

/// The form.
pub(super) async fn show(
    admin: web::Data<Admin>,
    next: web::Query<Next>,
) -> Result<HttpResponse, PageError> {
    if !admin.access.needs_token() {
        return Ok(see_other("/"));
    }
    shown(&page(next.next.as_deref(), None))
}

/// Begins a session.
pub(super) async fn log_in(
    admin: web::Data<Admin>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, PageError> {
    access::refuse_foreign_pages(request.headers())?;
    let fields = Fields::read(&request, body)?;
    let next = fields.get("next").map(str::to_owned);
    let secret = fields.get("secret").unwrap_or_default().trim();
    let origin = admin.access.origin(request.peer_addr(), request.headers());
    match admin.users.log_in(&admin, secret, origin).await {
        Ok(cookie) => {
            let mut answer = see_other(&own_path(next.as_deref()));
            let cookie = cookie.header(has_tls(request.headers()));
            answer.headers_mut().insert(SET_COOKIE, cookie);
            Ok(answer)
        }
        Err(error @ PageError::WrongToken) => {
            let page = page(next.as_deref(), Some(error.to_string()));
            Ok(html(StatusCode::UNAUTHORIZED, &page)?)
        }
        Err(error) => Err(error),
    }
}

/// Ends it.
pub(super) async fn log_out(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    admin.users.log_out(&admin, &form.visitor).await?;
    let mut answer = see_other("/log-in");
    let cookie = Cookie::removing(has_tls(request.headers()));
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

fn page(next: Option<&str>, problem: Option<String>) -> LogInPage {
    let frame = Frame::plain("Log in", Section::None, None);
    LogInPage { frame, next: own_path(next), problem }
}

/// A path of this host; nobody is sent elsewhere.
fn own_path(path: Option<&str>) -> String {
    let path = path.unwrap_or("/");
    let is_own = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { path.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/dead-letters/list?reason=malformed&state=pending"] {
            assert_eq!(own_path(Some(own)), own);
        }
        for foreign in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\tb"] {
            assert_eq!(own_path(Some(foreign)), "/", "{foreign}");
        }
    }
}

//! Around every page: who asks, and what each answer tells the browser.
//!
//! Invariant: no answer may be framed, cached by anybody (but for assets), or load what is not ours.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError, web};

use super::cookie::Cookie;
use super::error::PageError;
use super::log_in::address_of;
use super::users::Visitor;
use crate::admin::access::{self, AccessError, Right};
use crate::admin::api::validation::check_query;
use crate::admin::{Admin, Caller};

/// Scripts, styles, pictures and requests of our own only. No inline script or style.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Adds what the browser must keep to.
pub(super) async fn add_headers<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Lets in who has a right, as a [`Visitor`] among the request's extensions; shows all others the way.
pub(super) async fn admit(
    right: Right,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let answer = match visitor(&request).await {
        Ok(Entry::Known(visitor)) => match may_ask(&visitor, right, &request) {
            Ok(()) => {
                request.extensions_mut().insert(visitor);
                return Ok(next.call(request).await?.map_into_left_body());
            }
            Err(error) => error.of(Some(&visitor)),
        },
        Ok(Entry::New(visitor)) => {
            if let Err(error) = may_ask(&visitor, right, &request) {
                let answer = error.of(Some(&visitor));
                return Ok(request.into_response(answer).map_into_right_body());
            }
            let cookie = visitor.cookie.header(has_tls(request.headers()));
            request.extensions_mut().insert(visitor);
            let mut response = next.call(request).await?;
            response.headers_mut().append(SET_COOKIE, cookie);
            return Ok(response.map_into_left_body());
        }
        Ok(Entry::Elsewhere(answer)) => answer,
        Err(error) => error.error_response(),
    };
    Ok(request.into_response(answer).map_into_right_body())
}

/// Whether somebody has a right, and asks for what can be.
fn may_ask(visitor: &Visitor, right: Right, request: &ServiceRequest) -> Result<(), PageError> {
    visitor.caller.require(right)?;
    Ok(check_query(request.query_string())?)
}

/// How somebody comes.
enum Entry {
    /// With what he got from us before.
    Known(Visitor),
    /// For the first time, to a listener that needs no token.
    New(Visitor),
    /// Not in; this says where to.
    Elsewhere(HttpResponse),
}

async fn visitor(request: &ServiceRequest) -> Result<Entry, PageError> {
    let headers = request.headers();
    let admin = request.app_data::<web::Data<Admin>>().ok_or(AccessError::NoToken)?;
    if !is_visit(request) {
        access::refuse_foreign_pages(headers)?;
    }
    let cookie = Cookie::of(headers);
    let origin = admin.access.origin(request.peer_addr(), headers);
    let visitor = |caller: Caller, cookie| Visitor::new(caller, cookie, origin);
    if !admin.access.needs_token() {
        access::require_local_host(headers)?;
        let caller = Caller::local();
        return Ok(match cookie {
            Some(cookie) => Entry::Known(visitor(caller, cookie)),
            None => Entry::New(visitor(caller, Cookie::random())),
        });
    }
    if let Some(cookie) = cookie
        && let Some(caller) = admin.users.caller(admin, &cookie).await
    {
        return Ok(Entry::Known(visitor(caller, cookie)));
    }
    Ok(Entry::Elsewhere(way_in(request)))
}

/// Whether somebody goes to a page by a link, wherever that is: it shows, and changes nothing.
fn is_visit(request: &ServiceRequest) -> bool {
    let is = |name: &str, value: &str| {
        request.headers().get(name).is_some_and(|it| it.as_bytes() == value.as_bytes())
    };
    request.method() == Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Where somebody is sent who is not logged in.
fn way_in(request: &ServiceRequest) -> HttpResponse {
    let headers = request.headers();
    // A part of a page can't show the log-in: the whole page is to be loaded again.
    if headers.contains_key("hx-request") {
        return HttpResponse::Ok().insert_header(("hx-refresh", "true")).finish();
    }
    let address = request.uri().path_and_query().map_or("/", |it| it.as_str());
    // Whoever comes by a link elsewhere may be logged in all the same: browsers keep the cookie back then.
    let is_from_elsewhere =
        headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
    if is_from_elsewhere && is_visit(request) {
        return super::log_in::onward(address);
    }
    let address = if request.method() == Method::GET { address } else { "/" };
    HttpResponse::SeeOther().insert_header((LOCATION, address_of(address))).finish()
}

/// Whether the browser reached us by TLS, by its own word or that of the proxy before us.
pub(super) fn has_tls(headers: &HeaderMap) -> bool {
    let starts = |name: &str, with: &[u8]| {
        headers.get(name).is_some_and(|it| it.as_bytes().starts_with(with))
    };
    starts("origin", b"https://") || starts("x-forwarded-proto", b"https")
}

//! What every request passes: it is written down, it fails if that was commanded, and it needs the key.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::answer;
use super::error::ApiError;
use super::failure::{self, Echo, Failure};
use super::params::Params;
use super::served::Waha;
use crate::simulate::json::Obj;

/// Most requests that are remembered.
const REQUESTS_MAX: usize = 100_000;
/// How long the beginning of a body that is cut off may take to leave.
const CUT_AFTER: Duration = Duration::from_millis(100);

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as GET.
    pub method: String,
    /// As it came, without the query.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Whether it had a key, right or wrong.
    pub has_key: bool,
    /// What it was answered.
    pub status: u16,
}

/// Answers a request, or refuses it.
pub(super) async fn gate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let waha = waha_of(&request);
    let mut entry = Request {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        has_key: key_of(&request).is_some(),
        status: 0,
    };
    let failure = waha.state().faults.take(request.path());
    if let Some(Failure::Slow(duration)) = failure {
        tokio::time::sleep(duration).await;
    }
    let response = match refusal(&waha, &mut request, failure).await {
        Some(refusal) => request.into_response(refusal),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    entry.status = response.status().as_u16();
    write_down(&waha, entry);
    Ok(response)
}

fn write_down(waha: &Waha, entry: Request) {
    let mut state = waha.state();
    if state.requests.len() < REQUESTS_MAX {
        state.requests.push(entry);
    }
}

fn waha_of(request: &ServiceRequest) -> Data<Waha> {
    request.app_data::<Data<Waha>>().expect("the application has its state").clone()
}

/// The key of the header, else that of the query.
fn key_of(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get("x-api-key").and_then(|key| key.to_str().ok());
    let query = Params::of(request.request());
    header.or_else(|| query.text("x-api-key")).map(str::to_owned)
}

async fn refusal(
    waha: &Waha,
    request: &mut ServiceRequest,
    failure: Option<Failure>,
) -> Option<HttpResponse> {
    if !is_allowed(waha, request) {
        return Some(HttpResponse::from_error(ApiError::Unauthorized));
    }
    if waha.state().options.is_read_only && is_beyond_reading(request) {
        return Some(HttpResponse::from_error(ApiError::Forbidden));
    }
    let failure = failure?;
    let session = session_of(request.path());
    if let Some(exception) = failure::exception(failure, &session) {
        let body = request.extract::<Bytes>().await.unwrap_or_default();
        let error = exception_of(waha, request.request(), &body, &exception);
        return Some(HttpResponse::from_error(error));
    }
    plain_refusal(failure, session)
}

/// Files and everything else under `/api`, and `/health`.
fn is_allowed(waha: &Waha, request: &ServiceRequest) -> bool {
    let path = request.path();
    if !path.starts_with("/api") && !path.starts_with("/health") {
        return true;
    }
    let state = waha.state();
    let Some(wanted) = &state.options.api_key else { return true };
    key_of(request).is_some_and(|key| key == wanted.expose_secret())
}

/// What a key with the scope `read` may not do.
fn is_beyond_reading(request: &ServiceRequest) -> bool {
    let is_change = *request.method() != Method::GET && *request.method() != Method::HEAD;
    let path = request.path();
    is_change || path == "/api/server/environment" || path.starts_with("/health")
}

/// The session that a path names, if it does.
fn session_of(path: &str) -> String {
    let mut parts = path.trim_start_matches("/api/").split('/');
    let first = parts.next().unwrap_or_default();
    let named = if first == "sessions" { parts.next() } else { Some(first) };
    named.unwrap_or_default().to_owned()
}

/// The 500 that repeats the request.
pub(super) fn exception_of(
    waha: &Waha,
    request: &HttpRequest,
    body: &[u8],
    exception: &Obj,
) -> ApiError {
    let query = url_pairs(request.query_string());
    let body = serde_json::from_slice(body).unwrap_or_else(|_| Value::Object(Map::new()));
    let echo = Echo { method: request.method(), path: request.path(), query, body };
    ApiError::Exception(failure::body(&waha.state(), exception, &echo))
}

fn url_pairs(query: &str) -> Value {
    let pairs = reqwest::Url::parse(&format!("http://waha/?{query}"));
    let pairs = pairs.map(|url| {
        url.query_pairs().map(|(name, value)| (name.into(), Value::String(value.into()))).collect()
    });
    Value::Object(pairs.unwrap_or_default())
}

fn plain_refusal(failure: Failure, session: String) -> Option<HttpResponse> {
    let not_working = ApiError::NotWorking { session, status: "SCAN_QR_CODE".to_owned() };
    Some(match failure {
        Failure::NotWorking => HttpResponse::from_error(not_working),
        Failure::NoRoute => {
            HttpResponse::from_error(ApiError::NotFound("Cannot GET it".to_owned()))
        }
        Failure::NotImplemented => {
            let text = "Method not implemented by the engine".to_owned();
            HttpResponse::from_error(ApiError::NotImplemented(text))
        }
        Failure::Unauthorized => HttpResponse::from_error(ApiError::Unauthorized),
        Failure::Forbidden => HttpResponse::from_error(ApiError::Forbidden),
        Failure::Proxy(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            HttpResponse::build(status).content_type("text/html").body("<h1>Bad gateway</h1>")
        }
        Failure::Empty => answer::empty(StatusCode::OK),
        Failure::NotJson => HttpResponse::Ok().content_type("text/html").body("<html>"),
        Failure::Long => HttpResponse::Ok().body(vec![b' '; 17 << 20]),
        Failure::CutOff => cut_off(),
        _ => return None,
    })
}

/// A body that ends before its end, when its beginning has left.
fn cut_off() -> HttpResponse {
    let begun = stream::iter([Ok(Bytes::from_static(b"[{\"id\":"))]);
    let cut = stream::once(async {
        tokio::time::sleep(CUT_AFTER).await;
        Err(std::io::Error::other("cut off"))
    });
    HttpResponse::Ok().content_type("application/json").streaming(begun.chain(Box::pin(cut)))
}

/// What no endpoint answers.
pub(super) async fn no_route(request: HttpRequest) -> answer::Answer {
    debug_assert!(*request.method() != Method::CONNECT, "nobody tunnels through a simulator");
    Err(ApiError::no_route(&request))
}

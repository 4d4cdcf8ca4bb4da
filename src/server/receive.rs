//! `POST /webhooks/{source}`: source known, body within its limit, signature, publish, 202.
//!
//! Knows `webhook` and `queue` only. Nothing is read of a body before its signature is checked, and
//! 202 is answered only after the webhook is durable.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::timeout;

use super::Door;
use super::body::read_body;
use super::error::ReceiveError;
use crate::webhook::verify::{
    HMAC_ALGORITHM_HEADER, HMAC_HEADER, KEPT_HEADERS, RawRequest, verify,
};
use crate::webhook::{Headers, Receipt, Webhook};

/// Longest header value that travels with a webhook.
const HEADER_BYTES_MAX: usize = 512;

/// Takes one webhook in.
pub async fn receive(
    request: HttpRequest,
    source: web::Path<String>,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, ReceiveError> {
    let source = door.sources.get(source.as_str()).ok_or(ReceiveError::UnknownSource)?;
    let (body, _memory) = read_body(&request, payload, &door).await?;
    let raw = RawRequest {
        hmac: header(&request, HMAC_HEADER),
        hmac_algorithm: header(&request, HMAC_ALGORITHM_HEADER),
        headers: kept_headers(&request),
        body,
    };
    let (webhook, _key) = verify(source, raw, Receipt::new(), door.clock.now_ms())?;
    let id = webhook.key().id.clone();
    publish(&door, webhook).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(serde_json::json!({ "id": id })))
}

async fn publish(door: &Door, webhook: Webhook) -> Result<(), ReceiveError> {
    match timeout(door.limits.publish_timeout, door.queue.publish(webhook)).await {
        Ok(published) => Ok(published?),
        Err(_) => Err(ReceiveError::PublishTimeout(door.limits.publish_timeout)),
    }
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    Some(request.headers().get(name)?.to_str().ok()?.to_owned())
}

fn kept_headers(request: &HttpRequest) -> Headers {
    KEPT_HEADERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), header(request, name)?)))
        .filter(|(_, value)| value.len() <= HEADER_BYTES_MAX)
        .collect()
}

//! Who only looks may be told what a replica knows, and is told how old that is.
//!
//! Around the API and the console. Requests that change something are answered from the primary, all of them; and of
//! those that look, the store decides what must be fresh (`store/connect/replica`).

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;

use crate::store::connect::replica::may_lag;

/// How old what is told is at most, ms; absent if it is fresh.
const AGE: HeaderName = HeaderName::from_static("waha-ingest-data-age-ms");

/// Says so in a header.
pub(super) async fn tell<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if *request.method() != Method::GET {
        return next.call(request).await;
    }
    let (response, age) = may_lag(next.call(request)).await;
    let mut response = response?;
    if let Some(age) = age {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert(AGE, HeaderValue::from(age_ms));
    }
    Ok(response)
}

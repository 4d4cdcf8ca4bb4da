//! Reads a body within its limits, which hold while reading: size, time, and memory of all bodies.

use std::sync::Arc;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Door;
use super::error::ReceiveError;

/// The share of the memory limit that a body holds until its request is answered.
pub(super) struct Reserved(Option<OwnedSemaphorePermit>);

impl Reserved {
    /// Takes more of the memory; an error when all is in use.
    fn grow(&mut self, memory: &Arc<Semaphore>, bytes: usize) -> Result<(), ReceiveError> {
        let permits = u32::try_from(bytes).map_err(|_| ReceiveError::Busy)?;
        let more =
            Arc::clone(memory).try_acquire_many_owned(permits).map_err(|_| ReceiveError::Busy)?;
        match &mut self.0 {
            Some(held) => held.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

/// The whole body, and the memory it holds.
pub(super) async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    door: &Door,
) -> Result<(Bytes, Reserved), ReceiveError> {
    let bytes_max = door.limits.body_bytes_max;
    let told = content_length(request);
    if told.is_some_and(|told| told > bytes_max) {
        return Err(ReceiveError::TooLarge { bytes_max });
    }
    let body = collect(payload, told.unwrap_or_default(), bytes_max, &door.memory);
    timeout(door.limits.body_timeout, body)
        .await
        .unwrap_or(Err(ReceiveError::SlowBody(door.limits.body_timeout)))
}

fn content_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(
    mut payload: web::Payload,
    capacity: usize,
    bytes_max: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Reserved), ReceiveError> {
    let mut reserved = Reserved(None);
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ReceiveError::BrokenBody)?;
        if body.len() + chunk.len() > bytes_max {
            return Err(ReceiveError::TooLarge { bytes_max });
        }
        reserved.grow(memory, chunk.len())?;
        if body.is_empty() && capacity > chunk.len() {
            body.reserve(capacity);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), reserved))
}

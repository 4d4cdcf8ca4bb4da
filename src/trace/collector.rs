//! Brings spans to the collector over HTTP, and says once that it is away and once that it is back.
//!
//! Called by the export's own thread, which knows no tokio: the requests run on ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use crate::http_client;
use crate::telemetry::cause::words;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    is_away: AtomicBool,
}

impl Collector {
    /// Must be called within a tokio runtime.
    pub(super) fn new() -> reqwest::Result<Self> {
        let client = http_client::builder().redirect(Policy::none()).timeout(TIMEOUT).build()?;
        Ok(Self { client, runtime: Handle::current(), is_away: AtomicBool::new(false) })
    }

    /// Takes note of how a request went: one line for an outage, however long.
    fn note(&self, problem: Option<String>) {
        let was_away = self.is_away.swap(problem.is_some(), Ordering::AcqRel);
        match problem {
            Some(error) if !was_away => {
                tracing::warn!(error, "the trace collector takes nothing: spans are dropped");
            }
            None if was_away => tracing::info!("the trace collector takes spans again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await }).await;
        let answer = sent.unwrap_or_else(|error| Err(error.into())).map_err(without_url);
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            // What it says may repeat what it was sent.
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(words(error.as_ref())),
        });
        answer
    }
}

/// The endpoint may hold a password.
fn without_url(error: HttpError) -> HttpError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => error.without_url().into(),
        Err(other) => other,
    }
}

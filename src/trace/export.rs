//! Starts and stops the export: who we are, how much is sampled, where it goes.
//!
//! Called by the CLI, once. Spans wait in a bounded queue of the library (`OTEL_BSP_*` change it) and
//! are dropped when it is full: a collector that is slow or away costs spans, never webhooks.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use secrecy::{ExposeSecret, SecretString};

use super::TRACER;
use super::collector::Collector;

/// How long the collector may take to take what is left at the end.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Where spans go, and how many.
pub struct TracesConfig {
    /// The collector; none: no traces.
    pub endpoint: Option<String>,
    /// Headers of each request, such as an API key.
    pub headers: Vec<(String, SecretString)>,
    /// Share of the traces begun here that is recorded.
    pub ratio: f64,
    /// What the collector knows us by.
    pub service_name: String,
}

/// A running export.
pub struct Traces(SdkTracerProvider);

/// Why traces can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint or another setting of the export can't be used.
    #[error("traces can't be exported (traces.endpoint)")]
    Settings(#[from] ExporterBuildError),
    /// The certificates of this machine can't be read.
    #[error("the certificates of this machine can't be read")]
    Certificates(#[from] reqwest::Error),
}

impl Traces {
    /// Starts exporting if that is configured. Must be called within a tokio runtime.
    pub fn start(config: &TracesConfig) -> Result<Option<Self>, TraceError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let headers: HashMap<String, String> = config
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_headers(headers)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio))))
            .with_resource(resource(&config.service_name))
            .build();
        // Started once per process; a second start would export nothing.
        let _ = TRACER.set(provider.tracer("waha-ingest"));
        Ok(Some(Self(provider)))
    }

    /// Exports what is left, and ends.
    pub async fn stop(self) {
        // It waits for a thread of the library, which waits for the collector. What it could not
        // bring there has been logged.
        let stopping = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(STOP_MAX));
        let _ = stopping.await;
    }
}

fn resource(service_name: &str) -> Resource {
    Resource::builder()
        .with_service_name(service_name.to_owned())
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

//! An OTLP collector: takes what the exporter sends over HTTP, decodes it by OpenTelemetry's own
//! protobuf messages, and keeps the spans. It can be told to refuse.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;

use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// A span as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub service: String,
    /// The header that the configuration asked for.
    pub api_key: Option<String>,
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: String,
    pub is_error: bool,
    pub attributes: Vec<KeyValue>,
}

impl Seen {
    /// An attribute as text.
    pub fn attribute(&self, key: &str) -> String {
        text(&self.attributes, key)
    }
}

#[derive(Clone)]
pub struct Collector {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    spans: Mutex<Vec<Seen>>,
    refuses: AtomicBool,
    requests: AtomicUsize,
}

impl Collector {
    pub fn start() -> Self {
        let state: Arc<State> = Arc::default();
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(64 << 20))
                .route("/v1/traces", web::post().to(take))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, state }
    }

    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// All spans so far.
    pub fn all(&self) -> Vec<Seen> {
        self.state.spans.lock().unwrap().clone()
    }

    /// All spans of a trace so far.
    pub fn trace(&self, trace_id: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }

    /// Waits until a trace has a span that fits.
    pub async fn wait(&self, trace_id: &str, name: &str, fits: impl Fn(&Seen) -> bool) -> Seen {
        let what = format!("a span {name} in {trace_id}");
        wait_for(&what, PATIENCE, || async {
            self.trace(trace_id).into_iter().find(|span| span.name == name && fits(span))
        })
        .await
    }
}

async fn take(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    state.requests.fetch_add(1, Ordering::SeqCst);
    if state.refuses.load(Ordering::SeqCst) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let Ok(export) = ExportTraceServiceRequest::decode(body) else {
        return HttpResponse::BadRequest().finish();
    };
    let api_key = request.headers().get("x-api-key");
    let api_key = api_key.and_then(|key| key.to_str().ok()).map(str::to_owned);
    let mut spans = state.spans.lock().unwrap();
    for resource in export.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = text(&attributes, "service.name");
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(seen(service.clone(), api_key.clone(), span));
        }
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

fn seen(service: String, api_key: Option<String>, span: Span) -> Seen {
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    let status = span.status.map(|status| status.code()).unwrap_or_default();
    Seen {
        service,
        api_key,
        name: span.name,
        trace_id: hex::encode(span.trace_id),
        span_id: hex::encode(span.span_id),
        parent_id: hex::encode(span.parent_span_id),
        is_error: status == StatusCode::Error,
        attributes: span.attributes,
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

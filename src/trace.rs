//! Traces: the steps of a webhook's way, exported over OTLP when that is configured.
//!
//! One trace per webhook, whoever started it: receive, publish, spool and drain if the broker is away,
//! apply (once per attempt), replay. The webhook carries its place in the trace as its `traceparent`
//! header, so the trace goes on in whichever process has the webhook next, also days later from a dead
//! letter. A batch is no span: somebody who looks for a webhook finds the time of its transaction in
//! its own trace, with the size of the batch.
//!
//! Called by `server`, `queue/spool`, `worker` and `replay`. Invariant: without an endpoint
//! nothing here does any work, and no step ever waits for the collector. Only verified webhooks make
//! steps, so nobody without a key can fill a collector or choose what is sampled.

mod collector;
mod export;

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

pub use export::{TraceError, Traces, TracesConfig};

use crate::webhook::{EventType, TraceParent, Webhook};

/// Set once, if traces are configured.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanName {
    /// From the request's head to the answer.
    Receive,
    /// Until broker or disk have it.
    Publish,
    /// Written to the spool, because the broker did not take it.
    Spool,
    /// From the spool to the broker.
    Drain,
    /// One attempt: from a worker's hand to the end of its transaction.
    Apply,
    /// Published again from a dead letter.
    Replay,
}

impl SpanName {
    /// The span's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Publish => "publish",
            Self::Spool => "spool",
            Self::Drain => "drain",
            Self::Apply => "apply",
            Self::Replay => "replay",
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Receive => SpanKind::Server,
            Self::Publish | Self::Drain | Self::Replay => SpanKind::Producer,
            Self::Spool => SpanKind::Internal,
            Self::Apply => SpanKind::Consumer,
        }
    }
}

/// A step that goes on; dropped, it is over. Empty where traces are not configured or the webhook's
/// trace is not sampled. Boxed, because a span is large and steps live in the futures of all requests.
#[derive(Default)]
pub struct Span(Option<Box<SdkSpan>>);

/// The time, for a step that is begun later than it began; none where traces are not configured.
pub fn since() -> Option<SystemTime> {
    TRACER.get().map(|_| opentelemetry::time::now())
}

impl Span {
    /// Begins a step of a webhook, now or at an earlier `since`. The webhook goes on from it.
    pub fn begin(stage: SpanName, webhook: Webhook, since: Option<SystemTime>) -> (Self, Webhook) {
        let step = Self::beside(stage, &webhook, since);
        let Some(place) = step.0.as_deref().and_then(place) else { return (step, webhook) };
        (step, webhook.with_trace_parent(place))
    }

    /// Begins a step that the webhook does not go on from.
    pub fn beside(stage: SpanName, webhook: &Webhook, since: Option<SystemTime>) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let mut builder = tracer.span_builder(stage.name()).with_kind(stage.kind());
        builder.start_time = since;
        let mut span = builder.start_with_context(tracer, &parent(webhook));
        if span.is_recording() {
            span.set_attributes(attributes(webhook));
        }
        Self(Some(Box::new(span)))
    }

    /// Says something about the step; never bodies or personal data.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = self.0.as_mut() {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says why the step failed: a text without values.
    pub fn fail(&mut self, error: impl Into<Cow<'static, str>>) {
        if let Some(span) = self.0.as_mut() {
            span.set_status(Status::error(error));
        }
    }
}

/// Where the webhook's trace stands; a new trace if it has none.
fn parent(webhook: &Webhook) -> Context {
    let Some(parent) = webhook.trace_parent() else { return Context::new() };
    let (trace, span) = parent.ids();
    let flags = TraceFlags::default().with_sampled(parent.is_sampled());
    let (trace, span) = (TraceId::from(trace), SpanId::from(span));
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(context)
}

fn place(span: &SdkSpan) -> Option<TraceParent> {
    let context = span.span_context();
    let trace = u128::from_be_bytes(context.trace_id().to_bytes());
    let span = u64::from_be_bytes(context.span_id().to_bytes());
    TraceParent::new(trace, span, context.is_sampled())
}

/// The same names as in the log.
fn attributes(webhook: &Webhook) -> [KeyValue; 4] {
    let key = webhook.key();
    let event_type = match webhook.event_type() {
        EventType::Other => "other".to_owned(),
        _ => key.event_type.clone(),
    };
    [
        KeyValue::new("webhook.id", key.loggable_id().into_owned()),
        KeyValue::new("webhook.source", key.source.clone()),
        KeyValue::new("webhook.event_type", event_type),
        KeyValue::new("body.size_bytes", i64::try_from(webhook.body().len()).unwrap_or(i64::MAX)),
    ]
}

//! Failures that are commanded: what WAHA, an engine or a proxy in front answers now and then.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use super::state::State;
use crate::simulate::json::{Obj, obj};

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// NOWEB's 500 when WhatsApp limits the rate.
    RateOverlimit,
    /// GOWS' 500 with a code of gRPC: 2 UNKNOWN, 4 DEADLINE, 13 INTERNAL, 14 UNAVAILABLE.
    Grpc(u8),
    /// The browser's 500 after its page was loaded anew.
    ContextDestroyed,
    /// The 500 of a session that something else changes, with the whole request in it.
    Lock,
    /// The 500 of a change that goes on in the background.
    ExecutionTime,
    /// 422: the session does not work.
    NotWorking,
    /// 404: this release has no such endpoint.
    NoRoute,
    /// 501: this engine can't.
    NotImplemented,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// What a proxy says of a WAHA that is away: a status from 500 on, and a page.
    Proxy(u16),
    /// 200, and nothing.
    Empty,
    /// 200 with a body that is no JSON.
    NotJson,
    /// 200 with a body of 17 MiB.
    Long,
    /// The connection ends within the body.
    CutOff,
    /// The answer comes so much later.
    Slow(Duration),
}

/// Requests that fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// How their path begins.
    pub path: String,
    /// How many of them.
    pub times: u32,
    /// In which way.
    pub failure: Failure,
}

/// What is still to fail.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// How a request for `path` fails.
    pub(super) fn take(&mut self, path: &str) -> Option<Failure> {
        let fits = |fault: &&mut Fault| fault.times > 0 && path.starts_with(&fault.path);
        let fault = self.0.iter_mut().find(fits)?;
        fault.times -= 1;
        Some(fault.failure)
    }
}

/// A request as WAHA repeats it in a 500.
pub(super) struct Echo<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Value,
    pub(super) body: Value,
}

/// The exception of a failure, where it is a 500 of WAHA.
pub(super) fn exception(failure: Failure, session: &str) -> Option<Obj> {
    let named = |message: &str| {
        obj! { "message": message, "name": "Error", "stack": "Error: ..." }
    };
    Some(match failure {
        Failure::RateOverlimit => {
            obj! { "data": 429, "isBoom": true, "isServer": true, "output": Obj::new() }
                .and(&named("rate-overlimit"))
        }
        Failure::Grpc(code) => grpc(code),
        Failure::ContextDestroyed => {
            named("Execution context was destroyed, most likely because of a navigation.")
        }
        Failure::Lock => named(&format!("async-lock timed out in queue {session}")),
        Failure::ExecutionTime => named(&format!("Maximum execution time is exceeded {session}")),
        _ => return None,
    })
}

fn grpc(code: u8) -> Obj {
    let (name, details) = match code {
        4 => ("DEADLINE_EXCEEDED", "Deadline exceeded"),
        13 => ("INTERNAL", "internal error"),
        14 => ("UNAVAILABLE", "No connection established"),
        _ => ("UNKNOWN", "info query timed out"),
    };
    obj! {
        "code": code, "details": details, "metadata": Obj::new(),
        "message": format!("{code} {name}: {details}"), "name": "Error", "stack": "Error: ...",
    }
}

/// An exception that an endpoint met.
pub(super) fn not_found_exception(what: &str) -> Obj {
    obj! { "message": what, "name": "Error", "stack": "Error: ..." }
}

/// The whole body of a 500.
pub(super) fn body(state: &State, exception: &Obj, echo: &Echo<'_>) -> Obj {
    let timestamp = chrono::DateTime::from_timestamp_millis(state.now_ms()).unwrap_or_default();
    let timestamp = timestamp.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    obj! {
        "statusCode": 500, "timestamp": timestamp, "exception": exception,
        "request": obj! {
            "path": echo.path, "method": echo.method.as_str(), "body": &echo.body,
            "query": &echo.query,
        },
        "version": super::server::version_body(state),
    }
}

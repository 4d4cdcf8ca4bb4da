//! Logs: text on a terminal, JSON otherwise. Never bodies, secrets or personal data.
//!
//! Started once by the CLI. `span` says which webhook a line is about, `level` changes what is logged
//! while the process runs, `cause` says why something failed, `panic` keeps values out of what a panic
//! says. What a process depends on is in `dependency`, what the door refused in `refusals`, and `family`
//! makes families of metrics. Whoever logs imports this, so it imports nothing that logs.

pub mod cause;
pub mod dependency;
pub(crate) mod family;
mod level;
pub mod outage_log;
mod panic;
pub mod refusals;
pub mod span;

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

pub use level::{LogLevel, LogLevelError};

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// On a terminal that can show it, unless `NO_COLOR` says otherwise.
fn wants_colour() -> bool {
    let told = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stderr().is_terminal()
        && told("NO_COLOR").is_none()
        && told("TERM").is_none_or(|term| term != "dumb")
}

/// Starts logging to stderr; `RUST_LOG` wins over `level`. Later calls change nothing.
pub fn start(level: &str, format: LogFormat) {
    let (filter, handle) = reload::Layer::new(level::at_start(level));
    let is_text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = if is_text {
        registry.with(lines.with_ansi(wants_colour())).try_init()
    } else {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        registry.with(lines).try_init()
    };
    // An error means that logging was started before, as in tests.
    if started.is_ok() {
        level::keep(handle);
        panic::log_without_values();
    }
}

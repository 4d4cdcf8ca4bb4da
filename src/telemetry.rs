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
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
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

/// Whether to write with colours: on a terminal that can show them, unless `NO_COLOR` says otherwise.
pub fn wants_colour(output: &impl IsTerminal) -> bool {
    let told = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    output.is_terminal()
        && told("NO_COLOR").is_none()
        && told("TERM").is_none_or(|term| term != "dumb")
}

/// Lines of the log that wait for whoever reads it, at most: some megabytes.
const LOG_LINES_MAX: usize = 10_000;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines of the log found too many waiting and were lost, since the process began.
pub fn lost_lines() -> usize {
    LOST.get().map_or(0, ErrorCounter::dropped_lines)
}

/// What is left of the log is written when this goes, for a second at most.
pub type LogEnd = WorkerGuard;

/// Starts logging to stderr; `RUST_LOG` wins over `level`. Later calls change nothing.
///
/// A thread of its own writes, and lines that find too many waiting are lost: a terminal that was stopped
/// (`Ctrl-S`) or a collector that hangs would else hold up whoever logs, which is the door and the worker.
pub fn start(level: &str, format: LogFormat) -> LogEnd {
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES_MAX);
    let (writer, end) = writer.thread_name("log").finish(std::io::stderr());
    let lost = writer.error_counter();
    let (filter, handle) = reload::Layer::new(level::at_start(level));
    let is_text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = if is_text {
        registry.with(lines.with_ansi(wants_colour(&std::io::stderr()))).try_init()
    } else {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        registry.with(lines).try_init()
    };
    // An error means that logging was started before, as in tests.
    if started.is_ok() {
        level::keep(handle);
        let _ = LOST.set(lost);
        panic::log_without_values();
    }
    end
}

//! What is logged, and its change while the process runs.
//!
//! Set at start from `RUST_LOG` or the configuration; the admin API changes it. What must stay true:
//! the broker's client stays silent whatever is asked, because it logs messages with their bodies.

use std::sync::OnceLock;

use tracing_subscriber::{EnvFilter, Registry, reload};

/// The broker's client logs what its callers report too, and messages that come back with their
/// bodies.
const CLIENT_OFF: &str = "lapin=off";

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// What this process logs.
pub struct LogLevel;

/// Why the level was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// The text is no level and no list of directives.
    #[error("not a level such as \"info\" or \"warn,waha_ingest=debug\"")]
    Unreadable,
    /// Logging was not started.
    #[error("logging was not started")]
    NotStarted,
}

impl LogLevel {
    /// The directives in force, as text.
    pub fn get() -> Result<String, LogLevelError> {
        let handle = HANDLE.get().ok_or(LogLevelError::NotStarted)?;
        handle.with_current(EnvFilter::to_string).map_err(|_| LogLevelError::NotStarted)
    }

    /// Logs by other directives from now on, such as `"warn,waha_ingest=debug"`.
    pub fn set(directives: &str) -> Result<(), LogLevelError> {
        let handle = HANDLE.get().ok_or(LogLevelError::NotStarted)?;
        let filter = EnvFilter::try_new(directives).map_err(|_| LogLevelError::Unreadable)?;
        handle.reload(without_client(filter)).map_err(|_| LogLevelError::NotStarted)
    }
}

/// The filter of a process that starts.
pub(super) fn at_start(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    without_client(filter)
}

/// Keeps the handle of the filter that is in force.
pub(super) fn keep(handle: reload::Handle<EnvFilter, Registry>) {
    // Set once: later starts are refused before they come here.
    let _ = HANDLE.set(handle);
}

fn without_client(filter: EnvFilter) -> EnvFilter {
    match CLIENT_OFF.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::LogFormat;

    #[test]
    fn the_level_changes_at_run_time_and_the_client_stays_silent() {
        crate::telemetry::start("info", LogFormat::Json);
        assert!(LogLevel::get().unwrap().contains("lapin=off"));
        LogLevel::set("warn,waha_ingest=debug,lapin=trace").unwrap();
        let now = LogLevel::get().unwrap();
        assert!(now.contains("waha_ingest=debug") && now.contains("lapin=off"), "{now}");
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        LogLevel::set("warn").unwrap();
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(LogLevel::set("=,="), Err(LogLevelError::Unreadable)));
        assert!(LogLevel::get().unwrap().split(',').any(|directive| directive == "warn"));
    }
}

//! What is logged, and its change while the process runs.
//!
//! Set at start from `RUST_LOG` or the configuration; the admin API changes it. Invariant:
//! the broker's client stays silent whatever is asked, because it logs messages with their bodies.

use std::str::FromStr;
use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The broker's client logs what its callers report too, and messages that come back with their
/// bodies.
const CLIENT_OFF: &str = "lapin=off";

const ALLOWED: &str = "off, error, warn, info, debug or trace, for all or for a part, such as \
                       \"info\" or \"warn,waha_ingest=debug\"";

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// What this process logs.
pub struct LogLevel;

/// Why the level was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// The text is no level and no list of directives.
    #[error("{0}")]
    Unreadable(String),
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

    /// Whether a text says what to log; if not, what is wrong with it and what is allowed.
    pub fn check(directives: &str) -> Result<(), String> {
        parse(directives).map(drop)
    }

    /// Logs by other directives from now on, such as `"warn,waha_ingest=debug"`.
    pub fn set(directives: &str) -> Result<(), LogLevelError> {
        let handle = HANDLE.get().ok_or(LogLevelError::NotStarted)?;
        let filter = parse(directives).map_err(LogLevelError::Unreadable)?;
        handle.reload(without_client(filter)).map_err(|_| LogLevelError::NotStarted)
    }
}

/// The filter of a process that starts.
pub(super) fn at_start(level: &str) -> EnvFilter {
    let told = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let filter = told.and_then(|told| parse(&told).ok()).or_else(|| parse(level).ok());
    without_client(filter.unwrap_or_else(|| EnvFilter::new("info")))
}

/// A word alone must be a level. The library takes any for a part of a program, of which it then logs
/// everything, and nothing else.
fn parse(directives: &str) -> Result<EnvFilter, String> {
    let is_part = |part: &&str| part.contains(['=', '[', '}', ']', '"']);
    let words =
        directives.split(',').map(str::trim).filter(|part| !part.is_empty() && !is_part(part));
    for word in words {
        if LevelFilter::from_str(word).is_err() {
            return Err(format!("{word:?} is no level: {ALLOWED}"));
        }
    }
    EnvFilter::try_new(directives)
        .map_err(|_| format!("{directives:?} is not understood: {ALLOWED}"))
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
        let _end = crate::telemetry::start("info", LogFormat::Json);
        assert!(LogLevel::get().unwrap().contains("lapin=off"));
        LogLevel::set("warn,waha_ingest=debug,lapin=trace").unwrap();
        let now = LogLevel::get().unwrap();
        assert!(now.contains("waha_ingest=debug") && now.contains("lapin=off"), "{now}");
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        LogLevel::set("warn").unwrap();
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(LogLevel::set("=,="), Err(LogLevelError::Unreadable(_))));
        for nonsense in ["loud", "info,nonsense", "waha_ingest=loud", "waha_ingest"] {
            let problem = LogLevel::check(nonsense).unwrap_err();
            assert!(problem.contains("off, error, warn, info"), "{nonsense}: {problem}");
        }
        for good in ["INFO", "3", "warn,waha_ingest=debug", ""] {
            assert_eq!(LogLevel::check(good), Ok(()), "{good}");
        }
        assert!(LogLevel::get().unwrap().split(',').any(|directive| directive == "warn"));
    }
}

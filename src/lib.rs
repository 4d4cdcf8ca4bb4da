#![doc = include_str!("ARCHITECTURE.md")]
// Tables hold what strangers wrote: what is printed passes through `cli::output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(test)]
mod architecture;
#[cfg(test)]
#[path = "../tests/it/fixtures.rs"]
mod fixtures;

pub mod webhook;

pub mod queue;

pub mod server;

pub mod waha;

pub mod change;

pub mod normalize;

pub mod body_codec;
pub mod search;

pub mod store;

pub mod worker;

pub mod accounting;
pub mod admin;
pub mod archive;
pub mod backup;
pub mod chat_moves;
pub mod consumers;
pub mod directory;
pub mod media;
pub mod monitor;
pub mod operations;
pub mod packing;
pub mod reconcile;
pub mod registrar;
pub mod renormalize;
pub mod replay;
pub mod retention;
pub mod search_index;

pub mod quiet_sessions;
pub mod sender;
pub mod simulate;
pub mod watchdog;

pub mod circuit_breaker;
pub mod cli;
pub mod clock;
pub mod config;
mod driver_error;
pub mod figures;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http_client;
pub mod http_problem;
pub mod lifecycle;
pub mod metrics;
pub mod names;
pub mod open_files;
pub mod outage;
pub mod retry;
pub mod strict_json;
pub mod telemetry;
pub mod trace;
pub mod visible;
pub mod waha_api;

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

pub mod store;

pub mod worker;

pub mod admin;
pub mod desk;
pub mod equation;
pub mod observer;
pub mod renormalize;
pub mod replay;
pub mod retention;

pub mod sender;
pub mod silence;
pub mod simulate;

pub mod cli;
pub mod clock;
pub mod config;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http_client;
pub mod lifecycle;
pub mod outage;
pub mod problem;
pub mod retry;
pub mod strict_json;
pub mod telemetry;
pub mod trace;

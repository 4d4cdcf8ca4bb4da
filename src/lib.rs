//! Takes WAHA webhooks in, makes them durable before it answers, and turns them into rows.

pub mod change;
pub mod cli;
pub mod clock;
pub mod config;
pub mod equation;
pub mod lifecycle;
pub mod normalize;
pub mod outage;
pub mod queue;
pub mod replay;
pub mod retry;
pub mod sender;
pub mod server;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod waha;
pub mod webhook;
pub mod worker;

//! Connections under attack: what any listener of ours has around its HTTP.
//!
//! `serve` runs an application behind it; the door and the admin listener use it. `registry` counts
//! the connections by address and says which gives way, `stream` hands on one request at a time (`framing`
//! and `chunks` say where it ends), `gate` sees requests and answers, `phase` has what they know together,
//! `supervise` ends what is overdue, and `linger` sees that last answers arrive.
//! Deadlines belong to the connection, not to its first request, and count with an accuracy of a second.

mod chunks;
mod framing;
mod gate;
mod linger;
mod phase;
mod registry;
mod service;
mod stream;
mod supervise;

use std::time::Duration;

pub use service::{ListenerOptions, serve};

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Most connections at a time.
    pub connections_max: usize,
    /// How long the head of a request may take, and the first byte of a new connection.
    pub head_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a connection may stay without a request after an answer.
    pub idle_timeout: Duration,
    /// How long a client may let an answer wait.
    pub write_timeout: Duration,
    /// After so long a connection is closed with its next answer; some a quarter earlier.
    pub age_max: Duration,
}

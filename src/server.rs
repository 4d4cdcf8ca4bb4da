//! The door: the public listener with the webhook route. `admin` has the other listener.
//!
//! Started by `up` and `serve`. The public listener answers every request within its deadlines,
//! never redirects (WAHA would follow with an empty GET and take the webhook for delivered), and
//! keeps idle connections longer than WAHA's agent, which drops them after about 4 s. What strangers
//! can hold of it is bounded: connections and their deadlines in `connection`, bodies in `bodies`, and
//! what can be refused by its head is, in `refusal`.

pub mod address;
mod bodies;
pub mod connection;
pub mod descriptors;
mod error;
mod head;
mod holdings;
pub mod receive;
mod refusal;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_server::Server;
use actix_web::http::header::HeaderMap;
use actix_web::web::ServiceConfig;
use actix_web::{App, web};
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Clock;
use crate::metrics::door::DoorMetrics;
use crate::queue::Queue;
use crate::telemetry::outage_log::OutageLog;
use crate::telemetry::refusals::RefusalReason;
use crate::webhook::source::Source;

pub use bodies::{SMALL_BODY_BYTES, large_bytes};
pub use error::ReceiveError;

use bodies::BodyMemory;
use connection::{ConnectionLimits, ListenerOptions};

/// What the paths of webhooks start with; the source's name follows.
const WEBHOOKS: &str = "/webhooks/";
/// The kernel buffers so much of an answer; the door's have some hundred bytes.
const SEND_BUFFER_BYTES: usize = 16 * 1024;

/// What stands behind the door. Accepting depends on the queue alone, never on the database.
pub struct Door {
    /// The configured WAHA servers, by name.
    pub sources: HashMap<String, Source>,
    /// Where webhooks are made durable.
    pub queue: Arc<dyn Queue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the door takes.
    pub limits: Limits,
    /// What it counts.
    pub metrics: DoorMetrics,
    /// What was logged of webhooks that it had to refuse.
    pub refusals: OutageLog,
    /// The memory of all bodies.
    memory: BodyMemory,
}

/// What the door takes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Least bytes of a body in a second, after its first two.
    pub body_rate_min: u64,
    /// How long a webhook may take to become durable.
    pub publish_timeout: Duration,
    /// Most bytes of all bodies that are in memory at a time.
    pub memory_bytes_max: usize,
    /// What a connection may take.
    pub connection: ConnectionLimits,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Door {
    /// A door before a queue.
    pub fn new(
        sources: Vec<Source>,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        metrics: DoorMetrics,
    ) -> Self {
        let sources =
            sources.into_iter().map(|source| (source.name().to_owned(), source)).collect();
        let memory = BodyMemory::new(limits.memory_bytes_max);
        Self { sources, queue, clock, limits, metrics, refusals: OutageLog::new(), memory }
    }

    /// Takes note of a refused request. `source`: a configured one, or none.
    fn refused(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
        source: Option<&str>,
        reason: RefusalReason,
    ) {
        let Some(peer) = peer else { return };
        let address = address::sender(peer.ip(), headers, &self.limits.trusted_proxies);
        self.metrics.refusals.add(source, reason, address, self.clock.now_ms());
    }
}

/// A listening socket, so that a taken port is an error at start. Bursts wait in its backlog.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(descriptors::BACKLOG).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// A route for each source, because a fixed path is compared, while a pattern costs a search; and one
/// for whatever is no source.
fn routes(app: &mut ServiceConfig, door: &Door) {
    let known = door.sources.keys().map(|name| format!("{WEBHOOKS}{name}"));
    for path in known.chain([format!("{WEBHOOKS}{{source}}")]) {
        app.service(
            web::resource(path)
                .route(web::post().to(receive::receive))
                .default_service(web::to(error::method_not_allowed)),
        );
    }
}

/// The public listener; answers until its handle is told to stop.
pub fn serve_public(
    listener: TcpListener,
    door: Arc<Door>,
    stop_grace: Duration,
) -> std::io::Result<Server> {
    // Accepted sockets inherit it.
    socket2::SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES)?;
    let options = ListenerOptions {
        name: "door",
        workers: None,
        limits: connection_limits(&door.limits.connection),
        stop_grace,
    };
    let door = web::Data::from(door);
    let (expecting, trimming) = (door.clone(), door.clone());
    connection::serve(
        listener,
        options,
        move |request| refusal::refuse_expected(&expecting, request),
        move |request| head::trim(&trimming, request),
        move || {
            App::new()
                .app_data(door.clone())
                .configure(|app| routes(app, &door))
                .default_service(web::to(error::not_found))
        },
    )
}

/// As many connections as are configured, or as the descriptors of the process allow.
fn connection_limits(limits: &ConnectionLimits) -> ConnectionLimits {
    let allowed = descriptors::connections_within(descriptors::raise_limit());
    if allowed < limits.connections_max {
        tracing::warn!(
            configured = limits.connections_max,
            allowed,
            "the descriptors of this process allow fewer connections than server.connections_max"
        );
    }
    ConnectionLimits { connections_max: limits.connections_max.min(allowed), ..*limits }
}

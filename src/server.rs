//! The door: the public listener with the webhook route. `admin` has the other listener.
//!
//! Started by `up` and `serve`. The public listener answers every request within its deadlines,
//! never redirects (WAHA would follow with an empty GET and take the webhook for delivered), and
//! keeps idle connections longer than WAHA's agent, which drops them after about 4 s.

mod body;
mod error;
pub mod receive;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer, web};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::queue::Queue;
use crate::telemetry::metrics::door::DoorMetrics;
use crate::telemetry::outage_log::OutageLog;
use crate::webhook::source::Source;

pub use error::ReceiveError;

/// What the paths of webhooks start with; the source's name follows.
const WEBHOOKS: &str = "/webhooks/";
/// WAHA closes idle sockets after about 4 s (agentkeepalive); closing first would break requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Bodies in memory, in bytes.
    pub memory: Arc<Semaphore>,
    /// What it counts.
    pub metrics: DoorMetrics,
    /// What was logged of webhooks that it had to refuse.
    pub refusals: OutageLog,
}

/// What the door takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a webhook may take to become durable.
    pub publish_timeout: Duration,
    /// Most bytes of all bodies that are in memory at a time.
    pub memory_bytes_max: usize,
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
        let permits = limits.memory_bytes_max.min(Semaphore::MAX_PERMITS);
        let memory = Arc::new(Semaphore::new(permits));
        let refusals = OutageLog::new();
        Self { sources, queue, clock, limits, memory, metrics, refusals }
    }
}

/// A listening socket, so that a taken port is an error at start.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
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
    let door = web::Data::from(door);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(door.clone())
            .configure(|app| routes(app, &door))
            .default_service(web::to(error::not_found))
    });
    Ok(server
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(stop_grace.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}

//! The admin listener: health, metrics, and the API that operators use.
//!
//! Started by `up`, `serve` and `work`. `access` decides who may come in; `api` has a file for each
//! resource and says how to add one; `console` has the pages for browsers. Invariant: only `/livez` and `/readyz` need no token,
//! and nothing here can hold up the door for long, however often it is asked.

mod access;
mod api;
mod console;
mod health;
mod metrics;
mod replica_age;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_server::Server;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accounting::{Accounting, CountSources};
use crate::http_problem::problem;
use crate::media::storage::MediaStorage;
use crate::metrics::{Metrics, Scope};
use crate::monitor::Monitor;
use crate::monitor::broker::LastInspection;
use crate::normalize::Rules;
use crate::queue::Queue;
use crate::server::connection::{self, ConnectionLimits, ListenerOptions};
use crate::store::Store;
use crate::store::operations::consumers::Subscription;
use crate::telemetry::cause::Causes;

pub use access::{Access, AccessError, Caller, Role, Token};
pub use api::{
    ApiError, AuditLogReport, AwayDependency, AwayPart, BrokerReport, FailedSession, FileReport,
    GROUPS_MAX, JobReport, LaneReport, Problem, ProcessReport, ProcessView, RefusalGroup,
    RefusalReport, StatusCounts, StatusPlace, StatusReport, lane_reports,
};
pub use api::{FeedWatch, LastRetries};
pub use console::Users;

/// Counts are shared by all who ask within this time: an index of the whole ledger is read for them.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Scrapers, probes and people are few; who follows the feed stays.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// Exports may be long, if only their reader goes on.
const CONNECTION_LIMITS: ConnectionLimits = ConnectionLimits {
    connections_max: CONNECTIONS_MAX,
    head_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(60),
    idle_timeout: Duration::from_secs(75),
    write_timeout: Duration::from_secs(30),
    age_max: Duration::from_hours(1),
};

/// What the admin listener tells of.
pub struct Admin {
    /// What the process runs.
    pub scope: Scope,
    /// Who may come in.
    pub access: Access,
    /// What the process counts.
    pub metrics: Arc<Metrics>,
    /// What it depends on.
    pub observer: Arc<Monitor>,
    /// The tables, where it has them.
    pub store: Option<Arc<Store>>,
    /// Where replays are published.
    pub queue: Arc<dyn Queue>,
    /// Cancelled when the process stops: what was begun beside a request ends.
    pub stop: CancellationToken,
    /// Where door and queue count, where it can tell.
    pub sides: Option<CountSources>,
    /// What normalizing needs.
    pub rules: Rules,
    /// Whether messages can be searched, by the configuration.
    pub searches: bool,
    /// Where files of messages are, if they are kept.
    pub media: Option<MediaStorage>,
    /// Set once the process was told to stop.
    pub is_draining: AtomicBool,
    /// Set while workers wait until the database is migrated.
    pub waits_for_schema: AtomicBool,
    /// Where the feed is, for those who follow it.
    pub feed: FeedWatch,
    /// Whether there are pages for browsers.
    pub has_console: bool,
    /// Who is logged in to them.
    pub users: Users,
    /// What the process was started with.
    pub settings: Vec<Setting>,
    /// The folder of queue file, spool and keys.
    pub data_dir: PathBuf,
    /// The queue file, or the broker's nodes, without passwords.
    pub queue_places: Vec<String>,
    /// Where this listens.
    pub listen: Option<SocketAddr>,
    /// What is seen of the broker's queues from outside, where that is configured.
    pub broker_inspection: Option<LastInspection>,
    /// What the configured consumers of the feed get, by their names.
    pub subscriptions: HashMap<String, Subscription>,
    /// What waited for its next attempt when somebody looked last.
    pub retries: LastRetries,
    /// The last count.
    pub counted: Mutex<Option<(Instant, Option<Accounting>)>>,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Such as `server.listen`.
    pub key: String,
    /// As text, with nothing secret.
    pub value: String,
    /// Where it is from: a file, the environment, or the defaults.
    pub origin: String,
}

impl Admin {
    /// The tables; an error where a resource that needs them was added to a process without.
    fn store(&self) -> Result<&Arc<Store>, ApiError> {
        self.store.as_ref().ok_or(ApiError::NotFound("table in this process"))
    }

    /// What it looks at.
    fn place(&self) -> StatusPlace {
        StatusPlace {
            data_dir: self.data_dir.clone(),
            database: self.store.as_ref().map(|store| store.places()).unwrap_or_default(),
            queue: self.queue_places.clone(),
        }
    }

    /// The equation, of some seconds ago at most; none if it can't be counted here or now.
    async fn count(&self) -> Option<Accounting> {
        let (sides, store) = (self.sides.as_ref()?, self.store.as_ref()?);
        let mut counted = self.counted.lock().await;
        if let Some((at, equation)) = &*counted
            && at.elapsed() < COUNT_EVERY
        {
            return equation.clone();
        }
        let equation = sides.count_at_once(store).await;
        if let Err(error) = &equation {
            tracing::warn!(error = %Causes(error), "can't count webhooks");
        }
        let equation = equation.ok();
        *counted = Some((Instant::now(), equation.clone()));
        equation
    }

    /// Who works, by its own word; none where that can't be read here or now.
    async fn processes(&self, now_ms: i64) -> Option<Vec<ProcessReport>> {
        let workers = self.store.as_ref()?.processes().await.ok()?;
        let doors = match &self.sides {
            Some(sides) => sides.doors().await.ok()?,
            None => Vec::new(),
        };
        let doors = doors.iter().map(|door| ProcessReport::of_door(door, now_ms));
        let workers = workers.iter().map(|row| ProcessReport::of_worker(row, now_ms));
        Some(doors.chain(workers).collect())
    }
}

/// The admin listener; answers until its handle is told to stop.
pub fn serve(listener: TcpListener, admin: Arc<Admin>) -> std::io::Result<Server> {
    let admin = web::Data::from(admin);
    let options = ListenerOptions {
        name: "admin",
        workers: Some(1),
        limits: CONNECTION_LIMITS,
        stop_grace: Duration::from_secs(1),
    };
    connection::serve(
        listener,
        options,
        |_| None,
        |_| {},
        move || {
            let scope = admin.scope;
            let has_console = admin.has_console && scope.works;
            App::new()
                .app_data(admin.clone())
                .route("/livez", web::get().to(health::live))
                .route("/readyz", web::get().to(health::ready))
                .service(
                    web::resource("/metrics")
                        .wrap(from_fn(access::check_metrics))
                        .route(web::get().to(metrics::metrics)),
                )
                .configure(|config| api::add(config, scope))
                .configure(|config| {
                    if has_console {
                        console::add(config);
                    } else {
                        config.default_service(web::to(not_found));
                    }
                })
        },
    )
}

async fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "there is nothing at this path")
}

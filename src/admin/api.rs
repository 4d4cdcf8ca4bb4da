//! The API below `/api/v1`: every resource and its description in one place.
//!
//! To add a resource: a file beside this one with its handlers, each described by `utoipa::path`, and a
//! line for each in [`always`] or [`with_tables`], with the right that it needs; path and method are those
//! of the description. A handler that writes needs an operator, but for marks of an application's own users, and takes [`Caller`](super::Caller) as
//! `web::ReqData` to say who it was. Who reads a body is in the audit log, see `read`.
//!
//! Invariant: no two described types have one name, for the description has one list of
//! them; answers are as described (`tests/checks/admin` compares them); and errors are problem
//! details that tell nothing of what is stored.

mod attachments;
pub(super) mod audit;
mod changes;
pub(super) mod completeness;
pub(super) mod consumers;
pub(super) mod dead_letters;
mod error;
pub(super) mod filter;
pub(super) mod jobs;
mod log_level;
mod messages;
mod read;
mod reads;
pub(super) mod refusals;
pub(super) mod renormalize;
mod resource;
pub(super) mod retries;
pub(super) mod sessions;
pub(super) mod status;
pub(super) mod validation;
pub(super) mod webhooks;

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::Caller;
use super::access::{self, Right};
use super::replica_age;
use crate::http_problem::problem;
use crate::metrics::Scope;
use crate::store::audit::{Actor, ActorChannel};
use resource::{Way, way};

pub use audit::AuditLogReport;
pub use changes::FeedWatch;
pub use error::{ApiError, Problem};
pub use jobs::JobReport;
pub use refusals::{RefusalGroup, RefusalReport};
pub use retries::LastRetries;
pub use status::{
    AwayDependency, AwayPart, BrokerReport, FailedSession, FileReport, GROUPS_MAX, LaneReport,
    ProcessReport, ProcessView, StatusCounts, StatusPlace, StatusReport, lane_reports,
};

/// Where all of it is.
const PREFIX: &str = "/api/v1";

/// What is described beside the ways.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "waha-ingest",
        description = "What operators ask of a running process. With `database.read_url`, lists and search are read \
                       from a replica; the header `waha-ingest-data-age-ms` then says how old they are at most."
    ),
    components(schemas(Problem)),
    modifiers(&BearerToken),
    security((), ("token" = []))
)]
struct Frame;

/// What every process has.
fn always() -> Vec<Way> {
    vec![
        way!(Right::View, status::status),
        way!(Right::View, refusals::refusals),
        way!(Right::View, log_level::read),
        way!(Right::Operate, log_level::change),
        Way::new(
            Right::Sessions,
            "/openapi.json".to_owned(),
            vec![Method::GET],
            web::route().to(describe),
        ),
    ]
}

/// What only a process with tables has: `up` and `work`.
fn with_tables() -> Vec<Way> {
    vec![
        way!(Right::Sessions, sessions::list),
        way!(Right::Sessions, sessions::show),
        way!(Right::Sessions, completeness::show),
        way!(Right::Rows, changes::follow),
        way!(Right::Rows, changes::feed),
        way!(Right::Rows, reads::mark),
        way!(Right::Rows, messages::search),
        way!(Right::Rows, attachments::of_message),
        way!(Right::Rows, attachments::file, and HEAD),
        way!(Right::Rows, attachments::link::link),
        way!(Right::View, webhooks::list),
        way!(Right::View, webhooks::show),
        way!(Right::Bodies, webhooks::body),
        way!(Right::View, retries::list),
        way!(Right::Operate, retries::retry),
        way!(Right::Operate, renormalize::renormalize),
        way!(Right::View, dead_letters::list),
        way!(Right::View, dead_letters::groups),
        way!(Right::View, dead_letters::show),
        way!(Right::Bodies, dead_letters::body),
        way!(Right::Operate, dead_letters::replace_body),
        way!(Right::Bodies, dead_letters::export),
        way!(Right::Operate, dead_letters::import),
        way!(Right::Operate, dead_letters::replay),
        way!(Right::Operate, dead_letters::discard),
        way!(Right::Operate, dead_letters::restore),
        way!(Right::View, jobs::list),
        way!(Right::Operate, jobs::cancel),
        way!(Right::View, audit::list),
        way!(Right::View, consumers::list),
        way!(Right::View, consumers::show),
        way!(Right::Operate, consumers::pause),
        way!(Right::Operate, consumers::resume),
        way!(Right::Operate, consumers::rewind),
        way!(Right::Operate, consumers::skip),
    ]
}

/// Who asks, for the audit log.
fn actor(caller: &Caller, request: &HttpRequest) -> Actor {
    let admin = request.app_data::<web::Data<super::Admin>>();
    let origin =
        admin.and_then(|admin| admin.access.origin(request.peer_addr(), request.headers()));
    caller.actor(ActorChannel::Api, origin)
}

/// All that a process of this scope has.
fn ways(scope: Scope) -> Vec<Way> {
    let with_tables = if scope.works { with_tables() } else { Vec::new() };
    always().into_iter().chain(with_tables).collect()
}

/// What a process of this scope says of it.
pub(super) fn description(scope: Scope) -> utoipa::openapi::OpenApi {
    resource::describe(Frame::openapi(), &ways(scope))
}

/// Adds all of it for a process of this scope.
pub(super) fn add(config: &mut web::ServiceConfig, scope: Scope) {
    let ways = ways(scope);
    let api = web::scope(PREFIX)
        .app_data(error::json_config())
        .app_data(error::path_config())
        .app_data(web::Data::new(resource::describe(Frame::openapi(), &ways)))
        .wrap(from_fn(replica_age::tell))
        .wrap(from_fn(validation::refuse_nul))
        .wrap(from_fn(access::check))
        .configure(|config| resource::add(config, ways));
    config.service(api.default_service(web::to(not_found)));
}

async fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "see /api/v1/openapi.json for what is here")
}

/// What this process serves.
async fn describe(description: web::Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(&**description)
}

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer =
            bearer.description(Some("One of admin.tokens; none needed where none is set."));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
}

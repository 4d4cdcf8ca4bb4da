//! The API below `/api/v1`: every resource and its description in one place.
//!
//! To add a resource: a file beside this one with its handlers, each described by `utoipa::path`, a
//! line in [`add_always`] or [`add_with_tables`], and its handlers in [`Always`] or [`WithTables`].
//! [`get`] names the right that reading it needs; a handler that writes is added with [`writing`], which
//! needs an operator, and takes [`Caller`](super::Caller) as `web::ReqData` to say who it was. Who reads a
//! body is in the audit log, see `read`.
//!
//! What must stay true: no two described types have one name, for the description has one list of
//! them; answers are as described (`tests/checks/admin` compares them); and errors are problem
//! details that tell nothing of what is stored.

mod audit;
mod dead_letters;
mod error;
mod jobs;
mod log_level;
mod read;
mod renormalize;
mod resource;
mod sessions;
mod status;
mod webhooks;
mod wish;

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::access::{self, Right};
use super::{Admin, Caller};
use crate::problem::problem;
use crate::store::audit::{Actor, Channel};
use crate::telemetry::metrics::Scope;
use resource::{get, post, resource, writing};

pub use error::{ApiError, Problem};
pub use status::{LaneReport, ProcessReport};

/// Where all of it is.
const PREFIX: &str = "/api/v1";

/// What every process has.
#[derive(OpenApi)]
#[openapi(
    info(title = "waha-ingest", description = "What operators ask of a running process."),
    paths(status::status, log_level::read, log_level::change),
    components(schemas(Problem)),
    modifiers(&BearerToken),
    security((), ("token" = []))
)]
struct Always;

/// What only a process with tables has: `up` and `work`.
#[derive(OpenApi)]
#[openapi(paths(
    sessions::list,
    webhooks::list,
    webhooks::show,
    webhooks::body,
    renormalize::renormalize,
    dead_letters::list,
    dead_letters::groups,
    dead_letters::show,
    dead_letters::body,
    dead_letters::replace_body,
    dead_letters::export,
    dead_letters::import,
    dead_letters::replay,
    dead_letters::discard,
    dead_letters::restore,
    jobs::list,
    jobs::cancel,
    audit::list,
))]
struct WithTables;

fn add_always(config: &mut web::ServiceConfig) {
    config
        .service(resource("/status", vec![get(Right::View, status::status)]))
        .service(resource(
            "/log-level",
            vec![get(Right::View, log_level::read), writing(Method::PUT, log_level::change)],
        ))
        .service(resource("/openapi.json", vec![get(Right::Sessions, describe)]));
}

fn add_with_tables(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sessions", vec![get(Right::Sessions, sessions::list)]))
        .service(resource("/webhooks", vec![get(Right::View, webhooks::list)]))
        .service(resource("/webhooks/renormalize", vec![post(renormalize::renormalize)]))
        .service(resource("/webhooks/{id}", vec![get(Right::View, webhooks::show)]))
        .service(resource("/webhooks/{id}/body", vec![get(Right::Bodies, webhooks::body)]))
        .service(resource("/dead-letters", vec![get(Right::View, dead_letters::list)]))
        .service(resource("/dead-letters/groups", vec![get(Right::View, dead_letters::groups)]))
        .service(resource("/dead-letters/export", vec![get(Right::Bodies, dead_letters::export)]))
        .service(resource("/dead-letters/import", vec![post(dead_letters::import)]))
        .service(resource("/dead-letters/replay", vec![post(dead_letters::replay)]))
        .service(resource("/dead-letters/discard", vec![post(dead_letters::discard)]))
        .service(resource("/dead-letters/restore", vec![post(dead_letters::restore)]))
        .service(resource("/dead-letters/{id}", vec![get(Right::View, dead_letters::show)]))
        .service(resource(
            "/dead-letters/{id}/body",
            vec![
                get(Right::Bodies, dead_letters::body),
                writing(Method::PUT, dead_letters::replace_body),
            ],
        ))
        .service(resource("/replay-jobs", vec![get(Right::View, jobs::list)]))
        .service(resource("/replay-jobs/{id}/cancel", vec![post(jobs::cancel)]))
        .service(resource("/audit-logs", vec![get(Right::View, audit::list)]));
}

/// Who asks, for the audit log.
fn actor(caller: &Caller, request: &HttpRequest) -> Actor {
    let peer = request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    Actor { name: caller.name.clone(), channel: Channel::Api, place: peer }
}

/// Adds all of it for a process of this scope.
pub(super) fn add(config: &mut web::ServiceConfig, scope: Scope) {
    let api = web::scope(PREFIX)
        .app_data(error::json_config())
        .app_data(error::query_config())
        .app_data(error::path_config())
        .wrap(from_fn(access::check))
        .configure(add_always);
    let api = if scope.works { api.configure(add_with_tables) } else { api };
    config.service(api.default_service(web::to(not_found)));
}

async fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "see /api/v1/openapi.json for what is here")
}

/// The description of what this process serves.
fn description(scope: Scope) -> utoipa::openapi::OpenApi {
    let mut api = Always::openapi();
    if scope.works {
        api.merge(WithTables::openapi());
    }
    api
}

async fn describe(admin: web::Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().json(description(admin.scope))
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

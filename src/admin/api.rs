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

mod audit;
mod changes;
mod dead_letters;
mod error;
mod filter;
mod jobs;
mod log_level;
mod messages;
mod read;
mod reads;
mod refusals;
mod renormalize;
mod resource;
mod sessions;
mod status;
mod validation;
mod webhooks;

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::Caller;
use super::access::{self, Right};
use crate::http_problem::problem;
use crate::metrics::Scope;
use crate::store::audit::{Actor, ActorChannel};
use resource::{Way, way};

pub use changes::FeedWatch;
pub use error::{ApiError, Problem};
pub use refusals::RefusalReport;
pub use status::{LaneReport, ProcessReport};

/// Where all of it is.
const PREFIX: &str = "/api/v1";

/// What is described beside the ways.
#[derive(OpenApi)]
#[openapi(
    info(title = "waha-ingest", description = "What operators ask of a running process."),
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
            Method::GET,
            web::route().to(describe),
        ),
    ]
}

/// What only a process with tables has: `up` and `work`.
fn with_tables() -> Vec<Way> {
    vec![
        way!(Right::Sessions, sessions::list),
        way!(Right::Rows, changes::follow),
        way!(Right::Rows, reads::mark),
        way!(Right::Rows, messages::search),
        way!(Right::View, webhooks::list),
        way!(Right::View, webhooks::show),
        way!(Right::Bodies, webhooks::body),
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
    ]
}

/// Who asks, for the audit log.
fn actor(caller: &Caller, request: &HttpRequest) -> Actor {
    let peer = request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    Actor { name: caller.name.clone(), channel: ActorChannel::Api, place: peer }
}

/// Adds all of it for a process of this scope.
pub(super) fn add(config: &mut web::ServiceConfig, scope: Scope) {
    let mut ways = always();
    if scope.works {
        ways.extend(with_tables());
    }
    let api = web::scope(PREFIX)
        .app_data(error::json_config())
        .app_data(error::query_config())
        .app_data(error::path_config())
        .app_data(web::Data::new(resource::describe(Frame::openapi(), &ways)))
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

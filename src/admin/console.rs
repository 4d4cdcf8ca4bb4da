//! The console: pages in a browser, for operators, at `/` of the admin listener of a process with tables.
//!
//! It shows and does what API and commands show and do, through the same functions (`api`, `operations`,
//! `store`). To add a page: a file beside this one with its handlers and templates, and a line in [`reading`]
//! or [`changing`] with the right that it needs; a list has a line in [`exporting`], too.
//!
//! Invariant: pages are for reading without a script, and each change is a form. `guard` knows who asks and
//! sees to headers; `form` takes no change without the page's own token. What strangers wrote is
//! escaped and made visible by `visible`, the escaper of all templates; it is never a link. No request
//! leaves the host.

#![expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "templates call methods only, and hand on references"
)]

mod api_pages;
mod assets;
mod audit;
mod completeness;
mod configuration;
mod consumers;
mod cookie;
mod dead_letters;
mod diff;
mod error;
mod events;
mod export;
mod filters;
mod form;
mod frame;
mod guard;
mod jobs;
mod log_in;
mod media;
mod now;
mod retries;
mod sessions;
mod spark;
mod users;
mod visible;
mod webhooks;

use actix_web::dev::HttpServiceFactory;
use actix_web::http::header::ACCEPT;
use actix_web::middleware::from_fn;
use actix_web::web::{get, post};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError, Route, web};

use super::access::Right;
use super::api::ApiError;
use super::replica_age;
use dead_letters::{act, edit, list, show};
use error::PageError;

pub use users::Users;

/// Largest form: a body of 1 MiB, of which each byte may take three.
const FORM_BYTES_MAX: usize = 4 << 20;
/// Of somebody who is not known yet.
const STRANGERS_FORM_BYTES_MAX: usize = 16 << 10;

/// A path, who may go there, and what is done.
type Page = (&'static str, Right, Vec<Route>);

/// Adds all pages. The first path that fits is taken: a word stands before `{id}`.
pub(super) fn add(config: &mut web::ServiceConfig) {
    for (path, right, routes) in changing().into_iter().chain(reading()).chain(exporting()) {
        let check = from_fn(move |request, next| guard::admit(right, request, next));
        let page = plain(path, routes, FORM_BYTES_MAX);
        let page = page.wrap(from_fn(replica_age::tell)).wrap(check);
        config.service(page.wrap(from_fn(guard::add_headers)));
    }
    config.service(open("/log-in", vec![get().to(log_in::show), post().to(log_in::log_in)]));
    config.service(open("/assets/{name}", vec![get().to(assets::serve)]));
    config.default_service(web::to(no_page).wrap(from_fn(guard::add_headers)));
}

/// A path that leads nowhere: a page for a browser.
async fn no_page(request: HttpRequest) -> HttpResponse {
    let accepts = request.headers().get(ACCEPT).and_then(|it| it.to_str().ok());
    if accepts.is_some_and(|it| it.contains("text/html")) {
        return PageError::from(ApiError::NotFound("page")).error_response();
    }
    super::not_found().await
}

/// What shows something.
fn reading() -> Vec<Page> {
    let page = |path, route| (path, Right::View, vec![route]);
    let body = |path, route| (path, Right::Bodies, vec![route]);
    vec![
        page("/", get().to(now::show)),
        page("/sessions", get().to(sessions::list)),
        page("/sessions/{id}", get().to(sessions::show)),
        page("/dead-letters", get().to(list::groups)),
        page("/dead-letters/list", get().to(list::letters)),
        body("/dead-letters/export", get().to(list::export)),
        page("/dead-letters/{id}", get().to(show::show)),
        body("/dead-letters/{id}/body", get().to(show::body)),
        page("/retries", get().to(retries::list)),
        page("/webhooks", get().to(webhooks::list)),
        page("/webhooks/{id}", get().to(webhooks::show)),
        body("/webhooks/{id}/body", get().to(webhooks::body)),
        page("/jobs", get().to(jobs::list)),
        page("/jobs/{id}", get().to(jobs::show)),
        page("/audit", get().to(audit::list)),
        page("/consumers", get().to(consumers::list)),
        page("/consumers/{name}", get().to(consumers::show)),
        page("/media", get().to(media::list)),
        page("/completeness", get().to(completeness::show)),
        page("/configuration", get().to(configuration::show)),
        page("/events/now", get().to(events::now)),
        page("/events/jobs/{id}", get().to(events::job)),
        page("/api", get().to(api_pages::show)),
        page("/api/openapi.json", get().to(api_pages::json)),
    ]
}

/// Every list as lines of JSON, without bodies.
fn exporting() -> Vec<Page> {
    let page = |path, route| (path, Right::View, vec![route]);
    vec![
        page("/export/sessions", get().to(sessions::export)),
        page("/export/dead-letters", get().to(list::export_letters)),
        page("/export/dead-letter-groups", get().to(list::export_groups)),
        page("/export/retries", get().to(retries::export)),
        page("/export/webhooks", get().to(webhooks::export)),
        page("/export/jobs", get().to(jobs::export)),
        page("/export/audit-logs", get().to(audit::export)),
        page("/export/consumers", get().to(consumers::export)),
        page("/export/media", get().to(media::export)),
    ]
}

/// What changes something: by POST alone, often behind a page that asks.
fn changing() -> Vec<Page> {
    let page = |path, asks, does| (path, Right::Operate, vec![asks, does]);
    let act = |path, does| (path, Right::Operate, vec![does]);
    vec![
        page("/dead-letters/replay", get().to(act::confirm_replay), post().to(act::replay)),
        page("/dead-letters/discard", get().to(act::confirm_discard), post().to(act::discard)),
        page("/dead-letters/restore", get().to(act::confirm_restore), post().to(act::restore)),
        page("/dead-letters/{id}/edit", get().to(edit::show), post().to(edit::submit)),
        page("/retries/now", get().to(retries::confirm), post().to(retries::try_now)),
        page(
            "/webhooks/renormalize",
            get().to(webhooks::confirm_renormalize),
            post().to(webhooks::renormalize),
        ),
        page("/jobs/{id}/cancel", get().to(jobs::confirm_cancel), post().to(jobs::cancel)),
        act("/jobs/{id}/resume", post().to(jobs::resume)),
        act("/consumers/{name}/pause", post().to(consumers::pause)),
        act("/consumers/{name}/resume", post().to(consumers::resume)),
        act("/consumers/{name}/rewind", post().to(consumers::rewind)),
        act("/consumers/{name}/skip", post().to(consumers::skip)),
        act("/media/{id}/retry", post().to(media::retry)),
        ("/log-out", Right::View, vec![post().to(log_in::log_out)]),
    ]
}

/// What everybody may see.
fn open(path: &str, routes: Vec<Route>) -> impl HttpServiceFactory + use<> {
    plain(path, routes, STRANGERS_FORM_BYTES_MAX).wrap(from_fn(guard::add_headers))
}

fn plain(path: &str, routes: Vec<Route>, form_bytes_max: usize) -> Resource {
    let resource = routes.into_iter().fold(web::resource(path), Resource::route);
    resource
        .app_data(web::PayloadConfig::new(form_bytes_max))
        .app_data(error::path_config())
        .app_data(error::query_config())
}

//! The ways of the API: what a handler's `utoipa::path` says is its route, too, so each is listed once.
//!
//! A path has all its methods; any other method is answered with 405 and the list of them. That is why
//! `utoipa-actix-web` is not used: there a path has one resource for each method. Invariant: every way
//! needs a right, and every way that writes asks for JSON, which a foreign page can't send.

use std::collections::BTreeMap;

use actix_web::guard;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{Resource, Route, web};
use utoipa::openapi::{OpenApi, PathItem};

use super::PREFIX;
use crate::admin::access::{self, Right};
use crate::http_problem::problem;

/// The methods of a path that one handler answers, it, and its description.
pub(super) struct Way {
    path: String,
    methods: Vec<Method>,
    route: Route,
    description: Option<OpenApi>,
}

/// The way of a handler that `utoipa::path` describes, for those who have a right.
macro_rules! way {
    ($right:expr, $($handler:ident)::+ $(, and $method:ident)?) => {{
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler)::+))]
        struct Described;

        let description = <Described as utoipa::OpenApi>::openapi();
        let beside = [$(actix_web::http::Method::$method)?];
        Way::described($right, description, &beside, actix_web::web::route().to($($handler)::+))
    }};
}
pub(super) use way;

impl Way {
    /// The way that a description of one handler tells of. `beside`: methods that it answers and does not tell of.
    pub(super) fn described(
        right: Right,
        description: OpenApi,
        beside: &[Method],
        route: Route,
    ) -> Self {
        let described = description.paths.paths.first_key_value();
        let (path, item) = described.expect("a handler has a path");
        let path = path.strip_prefix(PREFIX).expect("all of the API is below it");
        let methods = std::iter::once(method(item)).chain(beside.iter().cloned());
        Self::new(right, path.to_owned(), methods.collect(), route).with(description)
    }

    /// A way that no description tells of.
    pub(super) fn new(right: Right, path: String, methods: Vec<Method>, route: Route) -> Self {
        let is_one = methods.clone();
        let route =
            route.guard(guard::fn_guard(move |asked| is_one.contains(&asked.head().method)));
        let route = match methods.first() {
            Some(&Method::GET) => route,
            _ => route.wrap(from_fn(access::check_json)),
        };
        let check = from_fn(move |request, next| access::check_right(right, request, next));
        Self { path, methods, route: route.wrap(check), description: None }
    }

    fn with(self, description: OpenApi) -> Self {
        Self { description: Some(description), ..self }
    }
}

fn method(item: &PathItem) -> Method {
    let known = [(Method::GET, &item.get), (Method::PUT, &item.put), (Method::POST, &item.post)];
    let told = known.into_iter().find(|(_, operation)| operation.is_some());
    told.expect("every handler gets, puts or posts").0
}

/// Adds to a description what these ways say of themselves.
pub(super) fn describe(mut api: OpenApi, ways: &[Way]) -> OpenApi {
    for description in ways.iter().filter_map(|way| way.description.clone()) {
        api.merge(description);
    }
    api
}

/// Adds these ways. The first path that fits is taken: sorted, a word comes before `{id}`.
pub(super) fn add(config: &mut web::ServiceConfig, ways: Vec<Way>) {
    let mut paths: BTreeMap<String, Vec<Way>> = BTreeMap::new();
    for way in ways {
        paths.entry(way.path.clone()).or_default().push(way);
    }
    for (path, ways) in paths {
        config.service(resource(&path, ways));
    }
}

fn resource(path: &str, ways: Vec<Way>) -> Resource {
    let allowed: Vec<&str> = ways.iter().flat_map(|way| &way.methods).map(Method::as_str).collect();
    let allowed = HeaderValue::from_str(&allowed.join(", ")).expect("methods are plain words");
    let refuse = move || {
        let detail = "this path does not have this method";
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
        response.headers_mut().insert(ALLOW, allowed.clone());
        std::future::ready(response)
    };
    let resource = web::resource(path).default_service(web::to(refuse));
    ways.into_iter().fold(resource, |resource, way| resource.route(way.route))
}

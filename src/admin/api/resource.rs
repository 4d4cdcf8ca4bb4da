//! A path with its methods; any other method is answered with 405 and the list of them.
//!
//! Invariant: every way needs a right, and every way that writes asks for JSON, which a foreign page
//! can't send.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, Responder, Route, web};

use crate::admin::access::{self, Right};
use crate::problem::problem;

/// A method and its handler.
pub(super) struct Way(Method, Route);

/// `GET` with this handler, for those who have a right.
pub(super) fn get<F, Args>(right: Right, handler: F) -> Way
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Way(Method::GET, needing(right, web::get().to(handler)))
}

fn needing(right: Right, route: Route) -> Route {
    route.wrap(from_fn(move |request, next| access::check_right(right, request, next)))
}

/// A method that changes something, with this handler; for operators.
pub(super) fn writing<F, Args>(method: Method, handler: F) -> Way
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::method(method.clone()).to(handler);
    Way(method, needing(Right::Operate, route.wrap(from_fn(access::check_json))))
}

/// `POST` with this handler; for operators.
pub(super) fn post<F, Args>(handler: F) -> Way
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    writing(Method::POST, handler)
}

/// A path with its ways.
pub(super) fn resource(path: &str, ways: Vec<Way>) -> impl HttpServiceFactory + use<> {
    let allowed: Vec<&str> = ways.iter().map(|Way(method, _)| method.as_str()).collect();
    let allowed = HeaderValue::from_str(&allowed.join(", ")).expect("methods are plain words");
    let refuse = move || {
        let detail = "this path does not have this method";
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
        response.headers_mut().insert(ALLOW, allowed.clone());
        std::future::ready(response)
    };
    let resource = web::resource(path).default_service(web::to(refuse));
    ways.into_iter().fold(resource, |resource, Way(_, route)| resource.route(route))
}

//! Who may do what on the admin listener.
//!
//! Without tokens everybody who reaches the listener may do everything, so the configuration allows
//! that on a loopback address only. With tokens every request needs one. `role` says which role gives
//! which right; each way of the API names the right that it needs. Invariant: no way is without one;
//! secrets are compared in constant time and never logged; a page in somebody's browser can do nothing.

mod browser;
mod error;
mod origin;
mod role;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::admin::Admin;
use crate::store::audit::{Actor, ActorChannel};
use crate::store::operations::sessions::SessionReach;

pub(super) use browser::{refuse_foreign_pages, require_local_host};
pub use error::AccessError;
pub(super) use origin::Origin;
pub use role::{Right, Role};

/// A configured token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    name: String,
    role: Role,
    reach: SessionReach,
    /// Of one length for all, so that comparing tells nothing of the secret's.
    digest: [u8; 32],
}

/// Who asks, for handlers that write it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token; "local" without tokens.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Which sessions it may see.
    pub reach: SessionReach,
}

/// Who may come in.
pub struct Access {
    /// Replaced whole, when the configuration changes.
    tokens: RwLock<Arc<[Token]>>,
    /// Whether `/metrics` needs no token.
    pub has_open_metrics: bool,
    /// Networks of the proxies before the listener: what they say of whom they heard from is believed.
    trusted_proxies: Vec<IpNet>,
}

impl Token {
    /// A token with its secret, for all sessions.
    pub fn new(name: &str, role: Role, secret: &SecretString) -> Self {
        let digest = digest(secret.expose_secret());
        Self { name: name.to_owned(), role, reach: SessionReach::default(), digest }
    }

    /// The same for some sessions only.
    pub fn reaching(self, reach: SessionReach) -> Self {
        Self { reach, ..self }
    }

    /// What its holder is.
    pub(super) fn caller(&self) -> Caller {
        let Self { name, role, reach, digest: _ } = self.clone();
        Caller { name, role, reach }
    }

    /// What it is known by: its name, and its secret's hash.
    pub(super) fn identity(&self) -> (&str, &[u8; 32]) {
        (&self.name, &self.digest)
    }
}

impl Caller {
    /// Whoever reaches a listener without tokens.
    pub(super) fn local() -> Self {
        Self { name: "local".to_owned(), role: Role::Operator, reach: SessionReach::default() }
    }

    /// Who acts, for the audit log.
    pub(super) fn actor(&self, channel: ActorChannel, origin: Option<Origin>) -> Actor {
        let place = origin.map_or_else(|| "unknown".to_owned(), |origin| origin.to_string());
        Actor { name: self.name.clone(), channel, place }
    }

    /// Refuses who lacks a right.
    pub(super) fn require(&self, right: Right) -> Result<(), AccessError> {
        if self.role.gives(right) { Ok(()) } else { Err(AccessError::Lacks(right)) }
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl Access {
    /// With these tokens; none means that the listener is on a loopback address.
    pub fn new(tokens: Vec<Token>, has_open_metrics: bool) -> Self {
        let tokens = RwLock::new(tokens.into());
        Self { tokens, has_open_metrics, trusted_proxies: Vec::new() }
    }

    /// The same behind proxies of these networks.
    pub fn behind(self, trusted_proxies: Vec<IpNet>) -> Self {
        Self { trusted_proxies, ..self }
    }

    /// Where a request comes from; none where the connection is gone already.
    pub(super) fn origin(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<Origin> {
        peer.map(|peer| Origin::new(peer, headers, &self.trusted_proxies))
    }

    /// Lets in by these from now on. False if they are the ones in use, or if either side has none:
    /// whether tokens are needed at all is decided at start.
    pub fn replace_tokens(&self, tokens: Vec<Token>) -> bool {
        let mut in_use = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        let changes = !in_use.is_empty() && !tokens.is_empty() && in_use[..] != tokens[..];
        if changes {
            *in_use = tokens.into();
        }
        changes
    }

    /// Who asks, if that one may come in at all.
    fn admit(&self, headers: &HeaderMap) -> Result<Caller, AccessError> {
        browser::refuse_foreign_pages(headers)?;
        self.caller(headers)
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, AccessError> {
        let tokens = self.tokens();
        if tokens.is_empty() {
            browser::require_local_host(headers)?;
            return Ok(Caller::local());
        }
        let told = headers.get(AUTHORIZATION).ok_or(AccessError::NoToken)?;
        let secret = told.to_str().ok().and_then(bearer).ok_or(AccessError::NoToken)?;
        Ok(holder(&tokens, secret).ok_or(AccessError::UnknownToken)?.caller())
    }

    /// The token with this secret.
    pub(super) fn holder(&self, secret: &str) -> Option<Token> {
        holder(&self.tokens(), secret).cloned()
    }

    /// The token with this name.
    pub(super) fn token_named(&self, name: &str) -> Option<Token> {
        self.tokens().iter().find(|token| token.name == name).cloned()
    }

    /// Whether nobody comes in without one.
    pub(super) fn needs_token(&self) -> bool {
        !self.tokens().is_empty()
    }

    fn tokens(&self) -> Arc<[Token]> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All of them are compared, so that time tells nothing of their order either.
fn holder<'a>(tokens: &'a [Token], secret: &str) -> Option<&'a Token> {
    let digest = digest(secret);
    tokens.iter().fold(None, |found, token| {
        if bool::from(token.digest.ct_eq(&digest)) { Some(token) } else { found }
    })
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, secret) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// Lets in who may, as a [`Caller`] among the request's extensions, and answers all others.
pub(super) async fn check<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let admitted = match request.app_data::<web::Data<Admin>>() {
        Some(admin) => admin.access.admit(request.headers()),
        None => Err(AccessError::NoToken),
    };
    answer(request, next, admitted).await
}

/// Lets in whom [`check`] let in and who has a right; for one way of the API.
pub(super) async fn check_right(
    right: Right,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let caller = request.extensions().get::<Caller>().cloned();
    let admitted = caller.ok_or(AccessError::NoToken).and_then(|caller| {
        caller.require(right)?;
        Ok(caller)
    });
    answer(request, next, admitted).await
}

/// As [`check`] and [`check_right`], unless metrics are open to everybody.
pub(super) async fn check_metrics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let admin = request.app_data::<web::Data<Admin>>();
    if admin.is_some_and(|admin| admin.access.has_open_metrics) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let admitted = admin.ok_or(AccessError::NoToken).and_then(|admin| {
        let caller = admin.access.admit(request.headers())?;
        caller.require(Right::Metrics)?;
        Ok(caller)
    });
    answer(request, next, admitted).await
}

/// Lets a request pass that says it is JSON; for ways that write.
pub(super) async fn check_json<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match browser::require_json(request.headers()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

async fn answer<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
    admitted: Result<Caller, AccessError>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn access() -> Access {
        let token = |name, role, secret: &str| Token::new(name, role, &secret.into());
        let eye = token("eye", Role::Viewer, "view");
        Access::new(vec![eye, token("hand", Role::Operator, "act")], false)
    }

    fn ask(access: &Access, told: &[(&str, &str)]) -> Result<String, AccessError> {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        access.admit(&headers).map(|caller| caller.name)
    }

    #[test]
    fn a_token_names_its_holder() {
        let access = access();
        assert_eq!(ask(&access, &[("authorization", "Bearer view")]), Ok("eye".to_owned()));
        assert_eq!(ask(&access, &[("authorization", "bearer act")]), Ok("hand".to_owned()));
    }

    #[test]
    fn each_role_gives_its_own_rights_and_no_other() {
        use Right::{Bodies, Metrics, Operate, Rows, Sessions, View};
        let rights = |role: Role| -> Vec<Right> {
            let all = [Metrics, Sessions, Rows, View, Bodies, Operate];
            all.into_iter().filter(|right| role.gives(*right)).collect()
        };
        assert_eq!(rights(Role::Metrics), [Metrics]);
        assert_eq!(rights(Role::Viewer), [Metrics, Sessions, View]);
        assert_eq!(rights(Role::Application), [Sessions, Rows]);
        assert_eq!(rights(Role::Reader), [Metrics, Sessions, Rows, View, Bodies]);
        assert_eq!(rights(Role::Operator), [Metrics, Sessions, Rows, View, Bodies, Operate]);
    }

    #[test]
    fn no_token_and_a_wrong_one_are_refused() {
        let access = access();
        assert_eq!(ask(&access, &[]), Err(AccessError::NoToken));
        for (header, error) in [
            ("Basic view", AccessError::NoToken),
            ("Bearer", AccessError::NoToken),
            ("Bearer ", AccessError::UnknownToken),
            ("Bearer vie", AccessError::UnknownToken),
            ("Bearer viewer", AccessError::UnknownToken),
        ] {
            let told = [("authorization", header), ("host", "localhost")];
            assert_eq!(ask(&access, &told), Err(error), "{header}");
        }
    }

    #[test]
    fn pages_in_a_browser_on_this_machine_can_do_nothing() {
        let access = Access::new(Vec::new(), false);
        let local = ("host", "127.0.0.1:9090");
        let json = ("content-type", "application/json");
        for (told, error) in [
            // The name of a foreign page, made to point to this machine.
            (vec![("host", "evil.example:9090")], AccessError::ForeignHost),
            (vec![], AccessError::ForeignHost),
            // Names that only begin like ours.
            (vec![("host", "[::1].evil.example")], AccessError::ForeignHost),
            (vec![("host", "localhost:1@evil.example")], AccessError::ForeignHost),
            (vec![("host", "localhost:9090:evil")], AccessError::ForeignHost),
            (vec![("host", "localhost:")], AccessError::ForeignHost),
            (vec![("host", "localhost:99999")], AccessError::ForeignHost),
            (vec![("host", "::1")], AccessError::ForeignHost),
            (vec![("host", "[127.0.0.1]")], AccessError::ForeignHost),
            (vec![local, json, ("origin", "https://evil.example")], AccessError::ForeignPage),
            (vec![local, json, ("origin", "null")], AccessError::ForeignPage),
            (vec![local, json, ("sec-fetch-site", "cross-site")], AccessError::ForeignPage),
        ] {
            assert_eq!(ask(&access, &told), Err(error), "{told:?}");
        }
        for host in ["localhost", "localhost:9090", "127.0.0.1:9090", "[::1]:9090", "[::1]"] {
            let told = [("host", host), json];
            assert_eq!(ask(&access, &told), Ok("local".to_owned()), "{host}");
        }
        let own_page = [local, json, ("origin", "http://127.0.0.1:9090")];
        assert_eq!(ask(&access, &own_page), Ok("local".to_owned()));
    }
}

//! What keeps pages in a browser away: a browser on this machine reaches a loopback address, and
//! whoever made the page that it shows could use that.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};

use super::AccessError;

fn text(headers: &HeaderMap, name: impl actix_web::http::header::AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Pages of our own have our own origin; requests that no page made have none.
pub(in crate::admin) fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), AccessError> {
    let is_ours = !headers.contains_key(ORIGIN) || {
        let origin = text(headers, ORIGIN).split_once("://");
        origin.is_some_and(|(_, authority)| authority == text(headers, HOST))
    };
    // What can't be read is no word of a page of ours either.
    let is_site_ours = headers
        .get_all("sec-fetch-site")
        .all(|site| [&b""[..], b"same-origin", b"none"].contains(&site.as_bytes()));
    if is_ours && is_site_ours { Ok(()) } else { Err(AccessError::ForeignPage) }
}

/// A foreign name that was made to point to this machine is told here by the browser.
pub(in crate::admin) fn require_local_host(headers: &HeaderMap) -> Result<(), AccessError> {
    if host_name(text(headers, HOST)).is_some_and(is_local) {
        Ok(())
    } else {
        Err(AccessError::ForeignHost)
    }
}

/// The name in `HOST` or `HOST:PORT` (RFC 9110, 7.2), brackets kept; none if it is anything else.
fn host_name(host: &str) -> Option<&str> {
    let name_ends = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, rest) = host.split_at(name_ends);
    match rest.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok().then_some(name),
        None => rest.is_empty().then_some(name),
    }
}

fn is_local(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => {
            address.parse::<Ipv6Addr>().is_ok_and(|it| it.to_canonical().is_loopback())
        }
        None if name.eq_ignore_ascii_case("localhost") => true,
        None => name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// A page can't send this type elsewhere without asking first, and nobody here says yes.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), AccessError> {
    let essence = text(headers, CONTENT_TYPE).split(';').next().unwrap_or_default();
    let is_json = essence.trim().eq_ignore_ascii_case("application/json");
    if is_json { Ok(()) } else { Err(AccessError::NotJson) }
}

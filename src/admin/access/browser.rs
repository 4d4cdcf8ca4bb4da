//! What keeps pages in a browser away: a browser on this machine reaches a loopback address, and
//! whoever made the page that it shows could use that.

use std::net::IpAddr;

use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};

use super::AccessError;

fn text(headers: &HeaderMap, name: impl actix_web::http::header::AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Pages of our own have our own origin; requests that no page made have none.
pub(super) fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), AccessError> {
    let site = text(headers, "sec-fetch-site");
    let is_ours = !headers.contains_key(ORIGIN) || {
        let origin = text(headers, ORIGIN).split_once("://");
        origin.is_some_and(|(_, authority)| authority == text(headers, HOST))
    };
    let is_site_ours = ["", "same-origin", "none"].contains(&site);
    if is_ours && is_site_ours { Ok(()) } else { Err(AccessError::ForeignPage) }
}

/// A foreign name that was made to point to this machine is told here by the browser.
pub(super) fn require_local_host(headers: &HeaderMap) -> Result<(), AccessError> {
    let host = text(headers, HOST);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_local { Ok(()) } else { Err(AccessError::ForeignHost) }
}

/// A page can't send this type elsewhere without asking first, and nobody here says yes.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), AccessError> {
    let essence = text(headers, CONTENT_TYPE).split(';').next().unwrap_or_default();
    let is_json = essence.trim().eq_ignore_ascii_case("application/json");
    if is_json { Ok(()) } else { Err(AccessError::NotJson) }
}

//! Whether WAHA can reach the door at a URL, as far as that can be known from here, and whether two URLs lead to the
//! same source at it. Pure.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Why WAHA can't reach the door there, whatever the network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// A host that is WAHA's own machine for WAHA.
    #[error(
        "it names the machine that WAHA itself runs on (a loopback address), and WAHA is another one: \
         give the name under which WAHA reaches this door"
    )]
    Loopback,
    /// 0.0.0.0 and the like.
    #[error("it is an address to listen on, and none to send to")]
    Unspecified,
    /// WAHA's validator takes it for no URL.
    #[error("its host has an underscore, which WAHA refuses: give the host another name")]
    Underscore,
    /// WAHA's own.
    #[error("it is the address of WAHA itself")]
    WahaItself,
    /// A network that WAHA is not in.
    #[error("it is an address of a private network, and WAHA has a public one")]
    Private,
}

/// Refuses a door's URL that no WAHA can use.
pub fn check_url(door: &Url) -> Result<(), Unreachable> {
    let host = host(door);
    if address(&host).is_some_and(|address| address.is_unspecified()) {
        return Err(Unreachable::Unspecified);
    }
    if host.contains('_') { Err(Unreachable::Underscore) } else { Ok(()) }
}

/// Refuses a door's URL that this WAHA can't use.
pub fn check_reach(door: &Url, waha: &Url) -> Result<(), Unreachable> {
    check_url(door)?;
    let (host, waha_host) = (host(door), host(waha));
    let (address, waha_address) = (address(&host), address(&waha_host));
    if host == waha_host && door.port_or_known_default() == waha.port_or_known_default() {
        return Err(Unreachable::WahaItself);
    }
    if is_loopback(&host) && !is_loopback(&waha_host) {
        return Err(Unreachable::Loopback);
    }
    match (address, waha_address) {
        (Some(address), Some(waha)) if is_private(address) && is_public(waha) => {
            Err(Unreachable::Private)
        }
        _ => Ok(()),
    }
}

/// Whether two URLs lead to the same source at the same door. What the door does not read is left out of account: the
/// user, the query and the fragment, and in which way the path is escaped.
pub(super) fn is_same_door(one: &Url, other: &Url) -> bool {
    let place = |url: &Url| {
        let path = percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
        (url.scheme().to_owned(), host(url), url.port_or_known_default(), path)
    };
    place(one) == place(other)
}

/// Without the brackets of IPv6.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

fn is_loopback(host: &str) -> bool {
    let is_named = host == "localhost" || host.ends_with(".localhost");
    is_named || address(host).is_some_and(|address| address.is_loopback())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    !is_private(address) && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(door: &str, waha: &str) -> Result<(), Unreachable> {
        check_reach(&door.parse().unwrap(), &waha.parse().unwrap())
    }

    #[test]
    fn what_waha_can_not_reach_is_refused() {
        let cases = [
            ("http://localhost:8080/webhooks/a", "http://waha:3000", Unreachable::Loopback),
            ("http://127.0.0.1:8080/webhooks/a", "https://waha.example", Unreachable::Loopback),
            ("http://[::1]:8080/webhooks/a", "http://10.0.0.5:3000", Unreachable::Loopback),
            ("http://0.0.0.0:8080/webhooks/a", "http://waha:3000", Unreachable::Unspecified),
            ("http://0:8080/webhooks/a", "http://waha:3000", Unreachable::Unspecified),
            ("http://waha_ingest:8080/webhooks/a", "http://waha:3000", Unreachable::Underscore),
            ("http://waha:3000/webhooks/a", "http://waha:3000", Unreachable::WahaItself),
            ("http://10.0.0.9:8080/webhooks/a", "https://203.0.113.7", Unreachable::Private),
        ];
        for (door, waha, expected) in cases {
            assert_eq!(check(door, waha), Err(expected), "{door} {waha}");
        }
    }

    #[test]
    fn what_the_door_does_not_read_makes_no_other_door() {
        let door = "http://ingest:8080/webhooks/a".parse().unwrap();
        let is_same = |url: &str| is_same_door(&url.parse().unwrap(), &door);
        for same in [
            "http://ingest:8080/webhooks/a?x=1",
            "http://ingest:8080/webhooks/a#top",
            "http://user:word@INGEST.:8080/webhooks/a?",
            "http://ingest:8080/webhooks/%61",
        ] {
            assert!(is_same(same), "{same}");
        }
        for other in [
            "https://ingest:8080/webhooks/a",
            "http://ingest/webhooks/a",
            "http://ingest:8080/webhooks/a/",
            "http://ingest:8080/webhooks/b",
            "http://crm:8080/webhooks/a",
        ] {
            assert!(!is_same(other), "{other}");
        }
    }

    #[test]
    fn what_may_be_reached_is_not_refused() {
        for (door, waha) in [
            ("http://ingest:8080/webhooks/a", "http://waha:3000"),
            ("http://localhost:8080/webhooks/a", "http://127.0.0.1:3000"),
            ("http://10.0.0.9:8080/webhooks/a", "http://10.0.0.5:3000"),
            ("http://10.0.0.9:8080/webhooks/a", "http://waha:3000"),
            ("https://ingest.example/webhooks/a", "https://203.0.113.7"),
            ("http://waha:8080/webhooks/a", "http://waha:3000"),
        ] {
            assert_eq!(check(door, waha), Ok(()), "{door} {waha}");
        }
    }
}

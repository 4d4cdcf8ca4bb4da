//! Whose connection or body it is: the address that limits are shared out by.
//!
//! Used by `connection` for the peer and by `bodies` for the sender. Invariant: a header is
//! believed from a trusted proxy only, because anybody can write one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// Whoever has one address of IPv6 has its whole network of this length.
const IPV6_NETWORK_BITS: u32 = 64;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address of IPv4, or the network of one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << (128 - IPV6_NETWORK_BITS));
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

/// A network of IPv6 is shown as such.
impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/{IPV6_NETWORK_BITS}"),
        }
    }
}

/// Who sent a request: the peer, or whom the last trusted proxy names as its own peer.
pub fn sender(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> ClientAddress {
    let is_trusted = |address: IpAddr| {
        let address = address.to_canonical();
        trusted_proxies.iter().any(|network| network.contains(&address))
    };
    if !is_trusted(peer) {
        return peer.into();
    }
    // Each proxy appends whom it heard from: the last entry that is no proxy of ours is the nearest
    // one that was seen by somebody trusted. Behind one that can't be read nothing was.
    let lines: Vec<&[u8]> = headers.get_all(&FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
    let entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    for entry in entries {
        match read_address(entry) {
            Some(address) if is_trusted(address) => {}
            Some(address) => return address.into(),
            None => break,
        }
    }
    peer.into()
}

/// Some proxies write the port behind it, and IPv6 in brackets.
fn read_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    text.parse().ok().or_else(with_port).or_else(|| in_brackets().map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender_of(peer: &str, forwarded: &[&str]) -> ClientAddress {
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        sender_of_bytes(peer, &lines)
    }

    fn sender_of_bytes(peer: &str, forwarded: &[&[u8]]) -> ClientAddress {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR.clone(), HeaderValue::from_bytes(line).unwrap());
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        sender(peer.parse().unwrap(), &headers, &trusted)
    }

    fn address(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn only_a_trusted_proxy_names_somebody_else() {
        assert_eq!(sender_of("192.0.2.1", &["198.51.100.7"]), address("192.0.2.1"));
        assert_eq!(sender_of("10.0.0.1", &["198.51.100.7"]), address("198.51.100.7"));
        assert_eq!(sender_of("10.0.0.1", &[]), address("10.0.0.1"));
        assert_eq!(sender_of("::ffff:10.0.0.1", &["198.51.100.7"]), address("198.51.100.7"));
    }

    #[test]
    fn a_port_behind_an_address_is_left_out() {
        for (entry, expected) in [
            ("198.51.100.7:1234", "198.51.100.7"),
            ("[2001:db8::1]:1234", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("198.51.100.7:1234, 10.1.1.1:80", "198.51.100.7"),
        ] {
            assert_eq!(sender_of("10.0.0.1", &[entry]), address(expected), "{entry}");
        }
        for unreadable in ["198.51.100.7:", "198.51.100.7:99999", "[198.51.100.7]:1", "[::1"] {
            assert_eq!(sender_of("10.0.0.1", &[unreadable]), address("10.0.0.1"), "{unreadable}");
        }
    }

    #[test]
    fn what_a_sender_wrote_before_the_proxies_is_not_believed() {
        let chain = ["203.0.113.9, 198.51.100.7", "10.1.1.1"];
        assert_eq!(sender_of("10.0.0.1", &chain), address("198.51.100.7"));
        assert_eq!(sender_of("10.0.0.1", &["198.51.100.7, nonsense"]), address("10.0.0.1"));
    }

    #[test]
    fn what_stands_before_something_unreadable_is_not_believed() {
        let forged = b"203.0.113.9";
        for unreadable in [&b"198.51.100.7\xff"[..], b"\xe9", b"", b"unknown, 10.1.1.1"] {
            assert_eq!(sender_of_bytes("10.0.0.1", &[forged, unreadable]), address("10.0.0.1"));
        }
        let last = b"\xff, 198.51.100.7";
        assert_eq!(sender_of_bytes("10.0.0.1", &[forged, last]), address("198.51.100.7"));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8::1").to_string(), "2001:db8::/64");
        assert_eq!(address("::ffff:192.0.2.1").to_string(), "192.0.2.1");
    }
}

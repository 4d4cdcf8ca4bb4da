//! Where a request to the admin listener comes from: whom a failed log-in counts for, and what the audit log names.

use std::fmt;
use std::net::SocketAddr;

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use crate::server::address::{ClientAddress, sender};

/// The peer, and who sent the request through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) struct Origin {
    peer: SocketAddr,
    pub(in crate::admin) sender: ClientAddress,
}

impl Origin {
    /// Of a request with these headers: a proxy's word counts if its network is among the trusted ones.
    pub(in crate::admin) fn new(
        peer: SocketAddr,
        headers: &HeaderMap,
        trusted_proxies: &[IpNet],
    ) -> Self {
        Self { peer, sender: sender(peer.ip(), headers, trusted_proxies) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, sender } = self;
        if *sender == ClientAddress::from(peer.ip()) {
            write!(f, "{peer}")
        } else {
            write!(f, "{sender} through {peer}")
        }
    }
}

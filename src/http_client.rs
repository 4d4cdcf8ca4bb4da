//! What our requests to other servers are sent with.
//!
//! Used by `trace`, `queue/rabbitmq/management`, `sender`, `check --ready` and the tests. reqwest is built
//! without a provider of cryptography, so that everything here has the one that broker and database
//! have; a client that is not made here panics. Invariant: no client goes through a proxy, because
//! those whom we ask are named by the configuration.

use rustls::crypto::ring;

/// A client that trusts whom this machine trusts; there must be certificates on it.
#[expect(clippy::disallowed_methods, reason = "the provider is there")]
pub fn builder() -> reqwest::ClientBuilder {
    // An error says that it is there already.
    let _ = ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// A client for plain HTTP, for machines without certificates as well.
pub fn plain() -> reqwest::ClientBuilder {
    builder().tls_certs_only([])
}

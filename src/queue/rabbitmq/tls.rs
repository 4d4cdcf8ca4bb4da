//! TLS to a broker: trusted are the authorities of this machine and, if one is configured, a private one.
//!
//! Called by `socket`. lapin could do this, too, but only together with reading key stores of four
//! formats that nobody here has.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Shakes hands with the broker of this name; `ca_pem` are certificates of a private authority.
pub(super) async fn wrap(
    stream: TcpStream,
    host: &str,
    ca_pem: Option<&str>,
) -> io::Result<TlsStream> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config =
        ClientConfig::builder().with_root_certificates(trusted(ca_pem)?).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Stores of a machine have certificates that nobody can read; those are left out.
fn trusted(ca_pem: Option<&str>) -> io::Result<RootCertStore> {
    let native = rustls_native_certs::load_native_certs();
    let private = CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes());
    let private: Vec<_> = private.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(native.certs.into_iter().chain(private));
    if trusted.is_empty() {
        let cause = native.errors.into_iter().next().map(io::Error::other);
        return Err(cause.unwrap_or_else(|| io::Error::other("no authority is trusted here")));
    }
    Ok(trusted)
}

//! Why the broker did not do what it was asked, by what a caller or an operator does about it.
//!
//! Made from lapin's errors here and nowhere else, so that no lapin type leaves the module.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::connection::HEARTBEAT_S;

/// Why the broker did not do what it was asked. Nothing was accepted or ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection could be made, or it broke.
    #[error("the broker can't be reached")]
    Unreachable(#[source] Arc<io::Error>),
    /// Its certificate is of an authority that is not trusted, has another name, or is over.
    #[error("the broker's certificate is refused; queue.ca_file names a private authority: {0}")]
    Certificate(Arc<io::Error>),
    /// It did not answer in time.
    #[error("the broker did not answer within {0} s")]
    Silent(u64),
    /// It did not confirm in time.
    #[error("the broker did not confirm within {} ms", .0.as_millis())]
    Slow(Duration),
    /// The user or the password is wrong.
    #[error("the broker refuses the user or the password")]
    Credentials,
    /// The virtual host is missing, or the user may not use it.
    #[error("the virtual host can't be used: {0}")]
    VirtualHost(String),
    /// The user may not do something that is needed.
    #[error("the user lacks a permission: {0}")]
    Permission(String),
    /// An exchange or queue exists with other arguments than ours. The text names the argument.
    #[error("it exists with other arguments: {0}")]
    Differs(String),
    /// A memory or disk alarm: the broker takes nothing until it is over.
    #[error("the broker takes nothing: memory or disk alarm")]
    Blocked,
    /// The broker did not take this one webhook.
    #[error("the broker refused the webhook: {0}")]
    Refused(String),
    /// There is no connection at the moment.
    #[error("the connection to the broker is closed")]
    Closed,
    /// A setting for the connection can't be used.
    #[error("{0}")]
    Settings(String),
    /// Anything else the broker said.
    #[error("the broker failed: {0}")]
    Other(String),
}

impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::IOError(error) if is_about_certificate(error) => {
                Self::Certificate(Arc::clone(error))
            }
            ErrorKind::IOError(error) | ErrorKind::RuntimeShutdownError(error) => {
                Self::Unreachable(Arc::clone(error))
            }
            ErrorKind::ProtocolError(error) => Self::of_protocol(error),
            ErrorKind::MissingHeartbeatError => Self::Silent(2 * u64::from(HEARTBEAT_S)),
            ErrorKind::InvalidChannel(_)
            | ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidConnectionState(_) => Self::Closed,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl BrokerError {
    fn of_protocol(error: &AMQPError) -> Self {
        let text = error.get_message().to_string();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) if text.contains("Login") => {
                Self::Credentials
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::Permission(text),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) if is_difference(&text) => {
                Self::Differs(text)
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Self::VirtualHost(text),
            AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => Self::Other(text),
        }
    }
}

fn is_about_certificate(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// The same code also stands for other broken conditions, such as a consumer's timeout.
fn is_difference(text: &str) -> bool {
    text.contains("inequivalent") || text.contains("invalid arg")
}

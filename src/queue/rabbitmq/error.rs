//! Why the broker did not do what it was asked, by what a caller or an operator does about it.
//!
//! Made from lapin's errors here and nowhere else, so that no lapin type leaves the module.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::options::HEARTBEAT_S;

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
    /// The queue is gone, or was while this webhook or one that was published beside it came in.
    #[error("the broker knows no way to the queue: {0}")]
    Unroutable(String),
    /// The queue did not take it (a nack).
    #[error(
        "the queue takes nothing: it has no leader or no majority of its members, or a policy limits its length"
    )]
    NotTaken,
    /// The broker is set to take no message of this size. It closes the channel for it.
    #[error(
        "the webhook is larger than the {bytes_max} bytes that the broker takes (max_message_size)"
    )]
    TooLarge {
        /// The broker's limit.
        bytes_max: u64,
    },
    /// The user may not publish by the default exchange.
    #[error(
        "the user may not publish to queues directly: give it the write right on amq.default as well (such as '^(waha\\.|amq\\.default$)'), or set queue.tap = true: {0}"
    )]
    DefaultExchange(String),
    /// A connection that lives, but carries nothing.
    #[error("the connection to the broker lives, but nothing comes through it")]
    Deaf,
    /// There is no connection at the moment.
    #[error("the connection to the broker is closed")]
    Closed,
    /// A setting for the connection can't be used.
    #[error("{0}")]
    Settings(String),
    /// The webhook was on its way: the broker may have it.
    #[error("the broker did not say whether it has the webhook")]
    Unanswered(#[source] Box<BrokerError>),
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

/// What an error keeps from being published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This one webhook.
    Webhook,
    /// Whatever goes to the same lane.
    Lane,
    /// Everything.
    Broker,
}

impl BrokerError {
    /// What else can't be published while this lasts.
    pub fn extent(&self) -> Extent {
        match self {
            Self::TooLarge { .. } => Extent::Webhook,
            // A queue without leader does not answer at all. A broker that answers nothing shows in every lane.
            Self::Unroutable(_) | Self::NotTaken | Self::Silent(_) | Self::Slow(_) => Extent::Lane,
            Self::Unanswered(error) => error.extent(),
            Self::Unreachable(_)
            | Self::Certificate(_)
            | Self::Credentials
            | Self::VirtualHost(_)
            | Self::Permission(_)
            | Self::DefaultExchange(_)
            | Self::Differs(_)
            | Self::Blocked
            | Self::Deaf
            | Self::Closed
            | Self::Settings(_)
            | Self::Other(_) => Extent::Broker,
        }
    }

    /// Whether the broker may have the webhook all the same.
    pub fn may_have_it(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Slow(_))
    }

    /// Of a webhook that was handed to the connection: only some errors say that it was refused.
    pub(super) fn of_published(self) -> Self {
        match self {
            Self::Blocked
            | Self::NotTaken
            | Self::TooLarge { .. }
            | Self::Permission(_)
            | Self::DefaultExchange(_) => self,
            error => Self::Unanswered(Box::new(error)),
        }
    }

    /// Whether only an operator can grant what is missing.
    pub(super) fn is_permission(&self) -> bool {
        matches!(self, Self::Permission(_) | Self::DefaultExchange(_))
    }

    fn of_protocol(error: &AMQPError) -> Self {
        let text = error.get_message().to_string();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) if text.contains("Login") => {
                Self::Credentials
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) if text.contains("amq.default") => {
                Self::DefaultExchange(text)
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::Permission(text),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) if is_difference(&text) => {
                Self::Differs(text)
            }
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => match bytes_max(&text) {
                Some(bytes_max) => Self::TooLarge { bytes_max },
                None => Self::Other(text),
            },
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

/// The limit, if that is what the text is about: "message size 20000000 is larger than configured max
/// size 16777216".
fn bytes_max(text: &str) -> Option<u64> {
    text.contains("message size").then(|| text.rsplit(' ').next()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_message_is_read() {
        for (text, limit) in [
            ("PRECONDITION_FAILED - message size 9 larger than max size 5", Some(5)),
            ("PRECONDITION_FAILED - message size 9 is larger than configured max size 5", Some(5)),
            ("PRECONDITION_FAILED - delivery acknowledgement timed out 5", None),
        ] {
            assert_eq!(bytes_max(text), limit, "{text}");
        }
    }
}

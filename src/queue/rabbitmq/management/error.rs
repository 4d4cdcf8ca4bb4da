//! Why the management API did not tell or do what it was asked.

use std::error::Error;

/// Why the management API did not tell or do what it was asked. No URL or password is in it.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// A setting can't be used.
    #[error("queue.management_url: {0}")]
    Settings(&'static str),
    /// No answer could be had from any URL; this is why from the last.
    #[error("the management API can't be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("the management API did not answer within {0} s")]
    Silent(u64),
    /// User or password are wrong, or the user may not ask for this.
    #[error(
        "the management API refuses the user (it needs the tag monitoring, and administrator to grow): {0}"
    )]
    Refused(String),
    /// This release of the broker does not have it.
    #[error("this release of the broker can't do that through its management API")]
    Unsupported,
    /// It answered something else than 2xx.
    #[error("the management API answered {status}: {reason}")]
    Answered {
        /// HTTP's.
        status: u16,
        /// In the broker's words.
        reason: String,
    },
    /// What it answered can't be read.
    #[error("the answer of the management API can't be read")]
    Unreadable(#[source] serde_json::Error),
    /// The TLS settings can't be used.
    #[error("queue.ca_file can't be used for the management API")]
    Certificates(#[source] reqwest::Error),
}

impl ManagementError {
    /// Whether another node may do better.
    pub(super) fn is_of_node(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent(_) | Self::Answered { status: 500.., .. } => true,
            Self::Settings(_)
            | Self::Refused(_)
            | Self::Unsupported
            | Self::Answered { .. }
            | Self::Unreadable(_)
            | Self::Certificates(_) => false,
        }
    }
}

//! Why WAHA did not do what it was asked, and whether asking again can help: decided here, in one match.

use std::time::Duration;

/// What WAHA does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The file: deleted, or never loaded.
    File,
    /// The message: not in the engine's store.
    Message,
    /// Anything else.
    Other,
}

/// Why WAHA did not do what it was asked. Holds nothing of its answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WahaError {
    /// It is not asked for so long, because it did not answer before.
    #[error("WAHA is not asked for {} s, because it did not answer", .0.as_secs())]
    Resting(Duration),
    /// It could not be reached, or a proxy says so.
    #[error("WAHA does not answer: {0}")]
    Away(String),
    /// WAHA is there and answers, but this did not come: a proxy's 502 for one file, a connection that was closed.
    #[error("WAHA answers, but not this: {0}")]
    Broken(String),
    /// WhatsApp's rate limit, or an engine that is starting over: wait for minutes.
    #[error("WAHA is busy: {0}")]
    Busy(&'static str),
    /// The session does not run, or is not `WORKING`.
    #[error("the session is not working in WAHA")]
    NotReady,
    /// It has none of this name: it was deleted, or renamed.
    #[error("WAHA has no session of this name any more")]
    NoSession,
    /// It does not know the key.
    #[error("WAHA answered 401: the api_key of the source is not its own")]
    Unauthorized,
    /// The key may not do this.
    #[error("WAHA answered 403: the api_key of the source may not do this for the session")]
    Forbidden,
    /// There is no such thing.
    #[error("WAHA has no such {}", .0.name())]
    NotFound(Missing),
    /// This engine or release can't, or its store is off.
    #[error("WAHA can't do this with its engine, release or configuration")]
    Unsupported,
    /// It failed for a reason that is not known.
    #[error("WAHA answered {0}")]
    Failed(u16),
    /// Its answer was not read to its end, because it is longer than anything should be.
    #[error("WAHA's answer is longer than what is read of one: 16 MiB, of sessions 128 MiB")]
    TooLong,
    /// It answered what it should not: a redirect, text that is no JSON.
    #[error("WAHA's answer can't be used: {0}")]
    Unusable(&'static str),
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An outage: wait, and count no attempt.
    Wait,
    /// Try again a limited number of times.
    Again,
    /// Asking again is useless.
    Never,
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Message => "message",
            Self::Other => "thing",
        }
    }
}

impl WahaError {
    /// Whether asking again can help.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Resting(_) | Self::Away(_) | Self::Unauthorized => Verdict::Wait,
            Self::Busy(_)
            | Self::NotReady
            // Somebody may make it again.
            | Self::NoSession
            | Self::Broken(_)
            | Self::Failed(_)
            | Self::Unusable(_)
            | Self::TooLong => Verdict::Again,
            // Somebody may give the key another scope.
            Self::Forbidden => Verdict::Again,
            Self::NotFound(_) | Self::Unsupported => Verdict::Never,
        }
    }

    /// Whether nobody answered, rather than with an error.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Resting(_) | Self::Away(_) | Self::Broken(_))
    }

    /// As metrics and rows say it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Resting(_) | Self::Away(_) => "waha_away",
            Self::Busy(_) => "waha_busy",
            Self::NotReady => "session_not_working",
            Self::NoSession => "session_unknown",
            Self::Unauthorized => "key_refused",
            Self::Forbidden => "key_forbidden",
            Self::NotFound(Missing::File) => "expired",
            Self::NotFound(Missing::Message | Missing::Other) => "message_unknown",
            Self::Unsupported => "unsupported",
            Self::Failed(_) | Self::Broken(_) => "waha_failed",
            Self::Unusable(_) | Self::TooLong => "waha_unusable",
        }
    }
}

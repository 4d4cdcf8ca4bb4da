//! Why a webhook is not registered, and what helps.

use crate::registrar::Unreachable;
use crate::waha_api::WahaError;

use super::raw_json::OddShape;

/// Why a session's configuration is not changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarProblem {
    /// WAHA did not do what it was asked.
    #[error(transparent)]
    Waha(WahaError),
    /// The key may not change configurations.
    #[error(
        "WAHA answered 403: the api_key of the source may not change this session. It needs the scope \
         \"setting\" of the session, or WAHA's own key (WAHA_API_KEY)"
    )]
    Scope,
    /// WAHA takes the configuration for wrong.
    #[error(
        "WAHA refused the configuration: an event that its release does not know (webhook_events), or a \
         URL that it takes for none (webhook_url)"
    )]
    Refused,
    /// WAHA can't reach the door.
    #[error("webhook_url can't be used: {0}")]
    Unreachable(#[from] Unreachable),
    /// Each event would come twice.
    #[error(
        "WAHA's environment (WHATSAPP_HOOK_URL) has the same URL, for all sessions: each event would \
         come twice. Take it out there, and restart WAHA, or leave the sessions without"
    )]
    Global,
    /// Another process of WAHA runs the session: it would go on with what it has.
    #[error("worker {0:?} of WAHA runs the session, and this is another one: ask that one")]
    OtherWorker(String),
    /// The configuration is not what it should be.
    #[error(transparent)]
    OddShape(#[from] OddConfig),
    /// It was written, and is not there.
    #[error("WAHA took the configuration and did not keep it: somebody else changes it as well")]
    NotKept,
}

/// A configuration whose parts are not where WAHA has them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OddConfig(OddShape);

impl From<OddShape> for RegistrarProblem {
    fn from(odd: OddShape) -> Self {
        Self::OddShape(OddConfig(odd))
    }
}

impl From<WahaError> for RegistrarProblem {
    fn from(error: WahaError) -> Self {
        Self::Waha(error)
    }
}

impl RegistrarProblem {
    /// Of a change that WAHA did not do.
    pub(super) fn of_change(error: WahaError) -> Self {
        match error {
            WahaError::Forbidden => Self::Scope,
            WahaError::Unsupported => Self::Refused,
            error => Self::Waha(error),
        }
    }

    /// Whether the session may start anew all the same: WAHA may have begun before it failed.
    pub fn may_have_begun(&self) -> bool {
        match self {
            Self::Waha(_) | Self::NotKept => true,
            Self::Scope
            | Self::Refused
            | Self::Unreachable(_)
            | Self::Global
            | Self::OtherWorker(_)
            | Self::OddShape(_) => false,
        }
    }

    /// As rows say it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Waha(error) => error.reason(),
            Self::Scope => "key_forbidden",
            Self::Refused => "config_refused",
            Self::Unreachable(_) => "unreachable",
            Self::Global => "global",
            Self::OtherWorker(_) => "other_worker",
            Self::OddShape(_) => "config_unreadable",
            Self::NotKept => "not_kept",
        }
    }
}

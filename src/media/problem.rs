//! Why a file could not be had, and what becomes of it: decided here. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::retry::RetryPolicy;
use crate::store::operations::attachments::{AttachmentEnd, AttachmentState};
use crate::waha_api::{LinkProblem, Verdict, WahaError};

/// How long an outage of WAHA is waited for.
const AWAY: Duration = Duration::from_secs(15);
/// How long an outage of the storage is waited for.
const STORAGE: Duration = Duration::from_mins(1);
/// How long it is waited for a source that this worker's configuration does not have: another's may.
const NO_SOURCE: Duration = Duration::from_mins(10);

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchProblem {
    /// The link is not followed.
    #[error(transparent)]
    Link(#[from] LinkProblem),
    /// WAHA did not give it.
    #[error(transparent)]
    Waha(#[from] WahaError),
    /// It ended before its end.
    #[error("the file was cut off")]
    CutOff,
    /// It did not come within the time for one.
    #[error("the file took too long")]
    TooSlow,
    /// It has more bytes than are taken.
    #[error("the file has more than media.bytes_max bytes")]
    TooLarge,
    /// It is another file than the message tells of.
    #[error("the file is another one than its message tells of")]
    WrongHash,
    /// WAHA told of another message: it looks for the bare id alone.
    #[error("WAHA has another chat's message under the same id")]
    WrongMessage,
    /// WhatsApp has it no more.
    #[error("WhatsApp has the file no more")]
    Gone,
    /// WAHA could not load it.
    #[error("WAHA could not load the file")]
    NotLoaded,
    /// WAHA is not to load it: such files are switched off there.
    #[error("WAHA does not load this file: its configuration leaves such files out")]
    SwitchedOff,
    /// Its message was taken back.
    #[error("WAHA's message has no file any more: it was taken back")]
    Revoked,
    /// Its message was deleted here.
    #[error("the message of the file was deleted")]
    MessageDeleted,
    /// There is no client for its source.
    #[error("the source has no [sources.NAME.waha] here")]
    NoSource,
    /// It could not be written. In words that may be shown.
    #[error("it can't be stored: {0}")]
    Storage(String),
}

/// What to do about it.
enum Remedy {
    /// An outage: again after this, however often.
    Wait(Duration),
    /// Again a limited number of times; then this became of it.
    Again(AttachmentState),
    /// This became of it.
    End(AttachmentState),
}

impl FetchProblem {
    /// As metrics and rows say it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Link(problem) => problem.reason(),
            Self::Waha(error) => error.reason(),
            Self::CutOff => "cut_off",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::WrongHash => "wrong_hash",
            Self::WrongMessage => "wrong_message",
            Self::Gone => "expired",
            Self::NotLoaded => "not_loaded",
            Self::SwitchedOff => "switched_off",
            Self::Revoked => "message_revoked",
            Self::MessageDeleted => "message_deleted",
            Self::NoSource => "no_source",
            Self::Storage(_) => "storage",
        }
    }

    fn remedy(&self) -> Remedy {
        match self {
            Self::Link(_) | Self::TooLarge => Remedy::End(AttachmentState::Refused),
            Self::Gone | Self::SwitchedOff | Self::Revoked | Self::MessageDeleted => {
                Remedy::End(AttachmentState::Gone)
            }
            // WAHA keeps files by the bare id of a message, which a stranger may have repeated: once it has
            // deleted that one, it loads the right one.
            Self::WrongHash | Self::WrongMessage => Remedy::Again(AttachmentState::Refused),
            Self::CutOff | Self::TooSlow | Self::NotLoaded => {
                Remedy::Again(AttachmentState::Failed)
            }
            Self::NoSource => Remedy::Wait(NO_SOURCE),
            Self::Storage(_) => Remedy::Wait(STORAGE),
            Self::Waha(WahaError::Resting(rest)) => Remedy::Wait(*rest),
            Self::Waha(error) => match error.verdict() {
                Verdict::Wait => Remedy::Wait(AWAY),
                Verdict::Again => Remedy::Again(AttachmentState::Failed),
                Verdict::Never => Remedy::End(AttachmentState::Gone),
            },
        }
    }

    /// What becomes of a file that had `tries` before this one. `random` is in 0..1.
    pub(super) fn end(
        &self,
        tries: i32,
        policy: &RetryPolicy,
        now: DateTime<Utc>,
        random: f64,
    ) -> AttachmentEnd {
        let reason = self.reason();
        let waits = |wait, is_try| AttachmentEnd::Waits { at: now + wait, reason, is_try };
        match self.remedy() {
            Remedy::Wait(wait) => waits(wait, false),
            Remedy::End(state) => AttachmentEnd::Final { state, reason },
            Remedy::Again(state) => {
                let attempt = u32::try_from(tries).unwrap_or(0).saturating_add(1);
                match policy.delay(attempt, random) {
                    Some(wait) => waits(wait, true),
                    None => AttachmentEnd::Final { state, reason },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waha_api::Missing;

    #[test]
    fn tries_end_and_outages_do_not() {
        let policy = RetryPolicy { delays: vec![Duration::from_mins(1)], jitter: 0.0 };
        let now = DateTime::UNIX_EPOCH;
        let end = |problem: FetchProblem, tries| problem.end(tries, &policy, now, 0.5);
        let at = now + Duration::from_mins(1);
        let again = AttachmentEnd::Waits { at, reason: "wrong_hash", is_try: true };
        assert_eq!(end(FetchProblem::WrongHash, 0), again);
        let refused = AttachmentState::Refused;
        let last = AttachmentEnd::Final { state: refused, reason: "wrong_hash" };
        assert_eq!(end(FetchProblem::WrongHash, 1), last);
        let away = WahaError::Away("refused".to_owned());
        for outage in [FetchProblem::Waha(away), FetchProblem::Storage("full".to_owned())] {
            let end = end(outage, 1_000);
            assert!(matches!(end, AttachmentEnd::Waits { is_try: false, .. }));
        }
        let missing = WahaError::NotFound(Missing::Message);
        let gone = AttachmentEnd::Final { state: AttachmentState::Gone, reason: "message_unknown" };
        assert_eq!(end(FetchProblem::Waha(missing), 0), gone);
    }
}

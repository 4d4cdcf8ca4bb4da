//! What is compared with WAHA's own list of messages: what is due and who does it, how far it got, what is here,
//! and what it found.
//!
//! Called by `reconcile`, `admin` and `cli`. What is missing is written by `apply` (`apply_backfilled`, of people
//! `apply_listed`).
//!
//! A row for each session and kind, used again and again, so the table stays small and its counts stay.
//! Invariant: of several workers one has a reconciliation at a time, by a lease; what one writes that lost it
//! changes nothing, because the lease's number has grown. Leases compare the clocks of workers, so one whose clock
//! is far ahead may take what another one has: then windows are walked twice, and what is missing is taken once.

mod ask;
mod hours;
mod lease;
mod presence;
mod progress;
mod request;

pub use ask::{CompletenessFilter, CompletenessHour, ReconciliationReport};
pub use entity::reconciliations::Model as ReconciliationRow;
pub use hours::{HourFinding, HourState, OurMessage};
pub use lease::{ReconciliationTarget, ReconciliationTask};
pub use presence::{ListedMessage, PresentMessage};
pub use progress::{ReconciliationEnd, WindowDone};
pub use request::{ReconciliationRequest, ReconciliationWindow, SessionMark};

pub use crate::store::apply::backfill::ReconciliationFence;

/// Why a session is compared with WAHA's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReconciliationKind {
    /// Somebody wants it.
    Command,
    /// WAHA started anew: webhooks in its memory were lost.
    Restart,
    /// The session works again.
    Working,
    /// Nothing came for longer than is usual.
    Silence,
    /// The watchdog found the session in trouble.
    Watchdog,
    /// Every hour, what is new.
    Hourly,
    /// Once a day, three days: what came late into WAHA's list.
    Daily,
    /// Once a day: what WAHA knows of the session and its people. No messages are compared.
    People,
}

impl ReconciliationKind {
    /// All of them, those first that are done first.
    pub const ALL: [Self; 8] = [
        Self::Command,
        Self::Restart,
        Self::Working,
        Self::Silence,
        Self::Watchdog,
        Self::Hourly,
        Self::Daily,
        Self::People,
    ];

    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Restart => "restart",
            Self::Working => "working",
            Self::Silence => "silence",
            Self::Watchdog => "watchdog",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::People => "people",
        }
    }

    /// Reads what is stored.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a reconciliation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconciliationState {
    /// It is to be done, or on the way.
    Waiting,
    /// All of its window was compared.
    Done,
    /// It can't be done.
    Stopped,
}

impl ReconciliationState {
    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }
}

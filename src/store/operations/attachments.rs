//! The files of messages: who fetches which, what became of it, and what applications and operators ask.
//!
//! Called by `media`, `admin` and `cli`. Rows are made with their messages (`apply/write/files`).
//!
//! Invariant: of several workers one has a file at a time, by a lease; what one writes that lost its lease
//! changes nothing, because the lease's number has grown. Leases compare the clocks of workers, so one whose
//! clock is far ahead may take a file that another one has: then it is fetched twice and stored once.

mod ask;
mod end;
mod lease;
mod remove;

pub use ask::{AttachmentFilter, AttachmentReport, LateFiles, WaitingFiles};
pub use end::{AttachmentEnd, StoredFile};
pub use entity::waha_attachments::Model as AttachmentRow;
pub use lease::{AttachmentTask, LeftAlone, MessagePlace};
pub use remove::RemovalReason;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachmentState {
    /// It is to be fetched.
    Waiting,
    /// It is kept.
    Stored,
    /// Nobody has it any more.
    Gone,
    /// It was not to be taken.
    Refused,
    /// It was given up.
    Failed,
    /// It was kept, and let go of.
    Removed,
}

impl AttachmentState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Stored, Self::Gone, Self::Refused, Self::Failed, Self::Removed];

    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Stored => "stored",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

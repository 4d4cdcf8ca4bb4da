//! Counts the webhooks that a door took, for the equation.

mod counter;
mod door_counts;
mod file;
mod gap;
mod late_file;
pub(super) mod legacy;
mod process;
mod record;

use std::path::Path;

pub(super) use counter::{Counter, Counting};
pub use door_counts::{DoorCounts, time};
pub use gap::{CountGap, GapCause};
pub use process::DoorProcess;

/// Whether a door counted beside the spool file at `path`.
pub(super) fn is_counted(path: &Path) -> bool {
    file::path_of(path).exists()
}

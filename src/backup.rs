//! Copies of the databases that are files (embedded queue and tables), as they are at one instant, made while
//! processes use them; and how they are put back.
//!
//! Called by `cli`. A backup is a folder that is made as a data folder is, so every command can look into it; kept in
//! a bucket (`bucket`) it was made on this machine first.
//!
//! Invariant: of each webhook that the queue's copy counts as accepted, the queue's copy or that of the tables
//! has the rest. So the queue stands still for the moment in which both begin to be read (`cut`): copied one
//! after the other, what is acked in between would be in neither, or counted by nobody. What is in both was
//! applied and not acked yet; it is delivered again and known by its receipt, as after a kill.

mod bucket;
mod cut;
mod error;
mod file;
mod holder;
mod kept;
mod manifest;
mod restore;
mod snapshot;

use std::path::{Path, PathBuf};

pub use bucket::Bucket;
pub use cut::Cut;
pub use error::BackupError;
pub use kept::{Claim, Kept};
pub use manifest::{CopiedFile, Manifest, QueueCounts};
pub use restore::{Replaced, put_back};

/// The databases of an installation that are files, and the key that `up` has made.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The embedded queue.
    pub queue: Option<PathBuf>,
    /// The tables.
    pub tables: Option<PathBuf>,
    /// The key without which WAHA's webhooks are refused.
    pub key: Option<PathBuf>,
}

/// What a file is called in a backup, as in a data folder.
const QUEUE: &str = "queue.db";
const TABLES: &str = "waha.db";
const KEY: &str = "hmac-key";

impl Files {
    /// Those that are databases, in the order in which they are copied. The queue first: as long as it is
    /// copied its log can't be cut back, and it is the busier one.
    fn databases(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [(QUEUE, &self.queue), (TABLES, &self.tables)];
        all.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?)))
    }

    /// Where the file of this name belongs; none if it is not of this installation.
    fn path_of(&self, name: &str) -> Option<&Path> {
        match name {
            QUEUE => self.queue.as_deref(),
            TABLES => self.tables.as_deref(),
            KEY => self.key.as_deref(),
            _ => None,
        }
    }
}

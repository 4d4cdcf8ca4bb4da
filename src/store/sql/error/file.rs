//! Why nothing can be committed to SQLite's file. Found by `connect/sqlite_file`.

use std::path::PathBuf;

/// What became of a file that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Its log or its index was removed; what was in the log is still open here.
    LogRemoved,
    /// The same, and another process has written to a log of its own since.
    LogReplaced,
    /// It was removed, moved, or its folder was.
    Removed,
    /// Another file is in its place.
    Replaced,
}

/// A file that is not where it was: nothing can be committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", path.display(), self.words())]
pub struct FileLost {
    /// Where it should be.
    pub(in crate::store) path: PathBuf,
    /// What happened.
    pub(in crate::store) change: FileChange,
}

impl FileLost {
    /// What happened, and what helps.
    fn words(&self) -> &'static str {
        match self.change {
            FileChange::LogRemoved => {
                "the -wal or -shm file of the tables was removed while it was in use; it is made again"
            }
            FileChange::LogReplaced => {
                "the -wal or -shm file of the tables was removed while it was in use, and another process has \
                 written since: stop all processes that use the file, then start them again"
            }
            FileChange::Removed => {
                "the file of the tables was removed or moved while it was in use: put it back as it was, and \
                 it goes on; or put a backup there and restart. What was not in it is lost then, and \
                 webhooks wait until then"
            }
            FileChange::Replaced => {
                "another file is in the place of the tables' file, which was in use: put the former back, and \
                 it goes on; or restart to use the one that is there. Webhooks wait until then"
            }
        }
    }
}

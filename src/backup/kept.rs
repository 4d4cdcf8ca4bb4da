//! The folder in which backups are kept: who may write to it, what is in it, and which are too many.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::manifest::Manifest;

/// The ending of a backup that is being made.
pub(super) const UNFINISHED: &str = "part";

/// Whoever holds its lock makes backups there. The kernel gives it back when the process ends.
const LOCK: &str = "backup.lock";

/// A folder of backups to which nobody else writes.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    _lock: File,
}

/// A backup that is there.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Claim {
    /// Takes the folder, which is made if it is not there. What a killed process has left unfinished goes: it
    /// would fill the disk.
    pub fn take(folder: &Path) -> Result<Self, BackupError> {
        fs::create_dir_all(folder).map_err(BackupError::file(folder))?;
        let path = folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(BackupError::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BackupError::InUse { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(BackupError::file(&path)(error)),
        }
        let claim = Self { folder: folder.to_owned(), _lock: lock };
        let unfinished = claim.entries()?.filter(|it| it.extension() == Some(UNFINISHED.as_ref()));
        for path in unfinished {
            fs::remove_dir_all(&path).map_err(BackupError::file(&path))?;
        }
        Ok(claim)
    }

    /// Its backups but for the newest `count`, oldest first. What is no whole backup is not among them.
    pub fn beyond(&self, count: usize) -> Result<Vec<Kept>, BackupError> {
        let whole = |folder: PathBuf| {
            let manifest = Manifest::read(&folder).ok()?;
            Some(Kept { folder, manifest })
        };
        let mut kept: Vec<_> = self.entries()?.filter_map(whole).collect();
        kept.sort_by_key(|it| it.manifest.made_at);
        kept.truncate(kept.len().saturating_sub(count));
        Ok(kept)
    }

    fn entries(&self) -> Result<impl Iterator<Item = PathBuf>, BackupError> {
        let entries = fs::read_dir(&self.folder).map_err(BackupError::file(&self.folder))?;
        Ok(entries.filter_map(|entry| Some(entry.ok()?.path())))
    }
}

impl Kept {
    /// Removes it.
    pub fn remove(&self) -> Result<(), BackupError> {
        fs::remove_dir_all(&self.folder).map_err(BackupError::file(&self.folder))
    }
}

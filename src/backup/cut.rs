//! All databases of an installation at one instant, and how they become a backup.
//!
//! Invariant: a folder under a backup's name is whole; what is being made has another name.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::file::{copy_private, moved, sync_folder};
use super::kept::UNFINISHED;
use super::manifest::{CopiedFile, Manifest, QueueCounts};
use super::snapshot::Snapshot;
use super::{Files, KEY, QUEUE};
use crate::queue::sqlite::{SqliteQueue, read_census};

/// Snapshots of one instant.
pub struct Cut {
    snapshots: Vec<Snapshot>,
    key: Option<PathBuf>,
}

impl Cut {
    /// Takes it: the queue, if there is one, stands still for some milliseconds.
    pub async fn take(files: &Files, queue: Option<&SqliteQueue>) -> Result<Self, BackupError> {
        let frozen = match queue {
            Some(queue) => Some(queue.freeze().await?),
            None => None,
        };
        let taken = files.databases().map(|(name, path)| Snapshot::take(name, path));
        let snapshots = taken.collect::<Result<_, _>>()?;
        drop(frozen);
        let key = files.key.clone().filter(|key| key.exists());
        Ok(Self { snapshots, key })
    }

    /// Writes all of it into a new folder; that which it is in is claimed. `progress` gets pages done and pages in all, of each database anew.
    pub fn write(
        self,
        folder: &Path,
        manifest: Manifest,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Manifest, BackupError> {
        let unfinished = folder.with_extension(UNFINISHED);
        let written = self.write_parts(&unfinished, manifest, progress);
        if written.is_err() {
            // What could not be written may not be removable either; it has no backup's name.
            let _ = fs::remove_dir_all(&unfinished);
        }
        let manifest = written?;
        moved(&unfinished, folder)?;
        Ok(manifest)
    }

    fn write_parts(
        self,
        folder: &Path,
        mut manifest: Manifest,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Manifest, BackupError> {
        fs::create_dir(folder).map_err(BackupError::file(folder))?;
        for snapshot in self.snapshots {
            let path = folder.join(snapshot.name());
            snapshot.copy_to(&path, progress)?;
            if snapshot.name() == QUEUE {
                let census = read_census(&path)?;
                let (accepted, waiting) = (census.accepted, census.waiting);
                manifest.queue = Some(QueueCounts { accepted, waiting });
            }
            manifest.files.push(CopiedFile::of(snapshot.name(), &path)?);
        }
        if let Some(key) = &self.key {
            copy_private(key, &folder.join(KEY))?;
            manifest.files.push(CopiedFile::of(KEY, &folder.join(KEY))?);
        }
        manifest.write(folder)?;
        sync_folder(folder)?;
        Ok(manifest)
    }
}

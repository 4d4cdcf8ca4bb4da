//! A folder that files are kept in: whether it is still the one that was opened, and what nobody needs in it.

use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `object_store` puts between the name of a file and a number while it writes it.
const UNFINISHED: char = '#';

/// A folder, as it was opened.
#[derive(Clone)]
pub(super) struct OpenedFolder {
    path: PathBuf,
    /// Device and inode, which another folder under the same path does not have.
    identity: (u64, u64),
}

impl OpenedFolder {
    /// Makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path)?;
        let identity = identity(&std::fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), identity })
    }

    /// An error if it was moved, or its volume is mounted no more: what is written then would be nowhere once that
    /// is back.
    pub(super) fn check(&self) -> Result<(), Error> {
        let found = std::fs::metadata(&self.path).map(|found| identity(&found));
        match found {
            Ok(found) if found == self.identity => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Err(Error::other(
                "the folder is not the one that was opened: put it back, mount its volume again, or start anew",
            )),
        }
    }

    /// Removes the folder of an attachment if nothing is left in it.
    pub(super) async fn tidy(&self, parent: &str) {
        if let Err(error) = tokio::fs::remove_dir(self.path.join(parent)).await {
            tracing::debug!(error = %error.kind(), "the folder of a file stays");
        }
    }

    /// Removes what was begun and not finished there. Whoever still writes one of these lost its lease, and fails.
    pub(super) async fn remove_unfinished(&self, parent: &str) -> Result<(), Error> {
        let folder = self.path.join(parent);
        let removed = tokio::task::spawn_blocking(move || remove_unfinished(folder)).await;
        removed.map_err(Error::other)?
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn remove_unfinished(folder: PathBuf) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(UNFINISHED) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

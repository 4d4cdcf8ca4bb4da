//! What is done with files so that it is on the disk afterwards.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::BackupError;

/// Copies a file that holds people's messages or a secret to a new one, which is on the disk then.
pub(super) fn copy_private(from: &Path, to: &Path) -> Result<(), BackupError> {
    let copy = || {
        let mut source = File::open(from)?;
        let mut copy = File::create_new(to)?;
        std::io::copy(&mut source, &mut copy)?;
        copy.sync_all()
    };
    copy().map_err(BackupError::file(to))
}

/// Gives a file or folder another name on the same disk; it has that one after a power cut, too.
pub(super) fn moved(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(BackupError::file(to))?;
    sync_folder(folder_of(to))
}

/// What was made, renamed or removed in a folder is so after a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(BackupError::file(folder))
}

/// The folder of a file; the current one for a bare name.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside `path`, as `SQLite` names its log.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

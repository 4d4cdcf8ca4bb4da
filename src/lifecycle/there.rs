//! Whether what a command looks into is there and configured: who only looks makes nothing.
//!
//! Used by `open` and `count`, for all commands but those that run or set up an installation.

use std::path::{Path, PathBuf};

/// A file that nothing has made yet, or that is not in this folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing here: {folder} has no {name}; `up`, `serve`, `work` and `migrate up` make what they need, and \
     data_dir and database.url say where"
)]
pub struct NothingThere {
    folder: String,
    name: String,
}

/// No tables are configured beside a broker: another process uses them.
#[derive(Debug, thiserror::Error)]
#[error(
    "database.url is not set beside a broker, as is right for a door alone (`serve`): what is applied, \
     duplicate, ignored or dead-lettered is in tables that can't be seen from here. Set it to look into \
     them; those of `up` without it are in {data_dir}/waha.db",
    data_dir = .data_dir.display()
)]
pub struct NoTables {
    pub(super) data_dir: PathBuf,
}

/// An error unless there is a file.
pub(super) fn ensure_there(path: &Path) -> Result<(), NothingThere> {
    if path.metadata().is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let folder = path.parent().map(|folder| folder.display().to_string());
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or_else(|| ".".to_owned());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Err(NothingThere { folder, name: name.unwrap_or_default() })
}

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
     duplicate, ignored or dead-lettered is in tables that can't be seen from here. {}",
    self.remedy()
)]
pub struct NoTables {
    pub(super) data_dir: PathBuf,
}

impl NoTables {
    /// How to look into them. Without it `up` makes a file that nobody else would take for the tables.
    fn remedy(&self) -> String {
        let file = self.data_dir.join("waha.db");
        if is_there(&file) {
            return format!(
                "There is {0}: if `up` runs here, these are its tables; set database.url = \"sqlite://{0}\" for it \
                 and for commands",
                file.display()
            );
        }
        "Set it to that of the processes that work, to look into them".to_owned()
    }
}

impl NothingThere {
    /// What it means for tables where a door has been at work: webhooks wait, and nothing was made of them.
    pub fn no_tables_yet(&self) -> String {
        let Self { folder, name } = self;
        format!("{folder} has no {name} yet: no worker has run here")
    }
}

/// Whether there is a file.
pub fn is_there(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() > 0)
}

/// An error unless there is a file.
pub fn ensure_there(path: &Path) -> Result<(), NothingThere> {
    if is_there(path) {
        return Ok(());
    }
    let folder = path.parent().map(|folder| folder.display().to_string());
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or_else(|| ".".to_owned());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Err(NothingThere { folder, name: name.unwrap_or_default() })
}

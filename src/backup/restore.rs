//! Puts a backup where the files of an installation are.
//!
//! Invariant: nothing is thrown away. What was there is moved aside with its logs, into a folder that is made
//! as a data folder is; and before anything is moved the copies are whole and on the same disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::Files;
use super::KEY;
use super::error::BackupError;
use super::file::{beside, copy_private, folder_of, moved, sync_folder};
use super::holder::ensure_closed;
use super::manifest::Manifest;
use super::snapshot::check;

/// What `SQLite` keeps beside a database. A log that is left would be taken for that of the copy.
const WITH_LOGS: [&str; 3] = ["", "-wal", "-shm"];

/// What was put where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Where files of the backup are now.
    pub put: Vec<PathBuf>,
    /// What was there and was moved aside, where it is now.
    pub aside: Vec<PathBuf>,
}

/// Puts what the backup in `folder` has of these files in their places. What is there goes into the folder
/// `aside` beside it, which is not there yet. No process may use them.
pub fn put_back(folder: &Path, files: &Files, aside: &str) -> Result<Replaced, BackupError> {
    let manifest = Manifest::read(folder)?;
    let wanted = manifest.files.iter().filter_map(|it| Some((&it.name, files.path_of(&it.name)?)));
    // A key that is there is the one that WAHA has.
    let wanted: Vec<_> = wanted.filter(|(name, path)| *name != KEY || !path.exists()).collect();
    if wanted.is_empty() {
        return Err(BackupError::unusable(folder, "nothing in it is of this installation"));
    }
    for (name, path) in &wanted {
        bring(&folder.join(name), path, *name != KEY)?;
    }
    wanted.iter().try_for_each(|(_, path)| ensure_closed(path))?;
    let mut replaced = Replaced::default();
    for (name, path) in &wanted {
        move_aside(path, &folder_of(path).join(aside).join(name), &mut replaced)?;
    }
    for (_, path) in wanted {
        moved(&beside(path, ".restoring"), path)?;
        replaced.put.push(path.to_owned());
    }
    Ok(replaced)
}

/// Copies a file to the disk where it belongs.
fn bring(from: &Path, path: &Path, is_database: bool) -> Result<(), BackupError> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(BackupError::file(folder))?;
    let copy = beside(path, ".restoring");
    if copy.exists() {
        // Of an earlier try that was cut off.
        fs::remove_file(&copy).map_err(BackupError::file(&copy))?;
    }
    copy_private(from, &copy)?;
    if is_database { check(&copy) } else { Ok(()) }
}

fn move_aside(path: &Path, to: &Path, replaced: &mut Replaced) -> Result<(), BackupError> {
    for suffix in WITH_LOGS {
        let (from, to) = (beside(path, suffix), beside(to, suffix));
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(folder_of(&to)).map_err(BackupError::file(&to))?;
        moved(&from, &to)?;
        replaced.aside.push(to);
    }
    sync_folder(folder_of(path))
}

//! The bodies in `tests/fixtures`, in a folder for each event type.

use std::path::{Path, PathBuf};

/// All of them, sorted.
pub fn fixtures() -> Vec<PathBuf> {
    let folders = children(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    let folders = folders.into_iter().filter(|path| path.is_dir() && !path.ends_with("snapshots"));
    let mut files: Vec<PathBuf> = folders.flat_map(|folder| children(&folder)).collect();
    files.sort_unstable();
    files
}

/// What is in a folder.
pub fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

//! Which commit is built: as the environment says, else as git says, else unknown.
//!
//! Part of the build script; a test calls it as well.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What is said when nobody knows, as in a source archive.
pub const UNKNOWN: &str = "unknown";

/// What is known of the commit.
pub struct Commit {
    /// Its name, or [`UNKNOWN`].
    pub name: String,
    /// Files that change when another one is checked out.
    pub watched: Vec<PathBuf>,
}

/// What `given` says, unless that is empty; else the commit of the repository whose top is `folder`.
pub fn find(given: Option<&str>, folder: Option<&Path>) -> Commit {
    let given = given.map(str::trim).filter(|commit| !commit.is_empty());
    if let Some(given) = given {
        return Commit { name: given.to_owned(), watched: Vec::new() };
    }
    folder
        .and_then(of_repository)
        .unwrap_or_else(|| Commit { name: UNKNOWN.to_owned(), watched: Vec::new() })
}

/// None without git, and in a folder that only lies inside somebody else's repository.
fn of_repository(folder: &Path) -> Option<Commit> {
    let prefix = git(folder, &["rev-parse", "--show-prefix"])?;
    if !prefix.is_empty() {
        return None;
    }
    let name = git(folder, &["rev-parse", "HEAD"])?;
    // The log has a line for each commit and each checkout; HEAD alone names a branch.
    let files = ["HEAD", "logs/HEAD"].map(|file| git(folder, &["rev-parse", "--git-path", file]));
    let files = files.into_iter().flatten().map(|file| folder.join(file));
    Some(Commit { name, watched: files.filter(|file| file.exists()).collect() })
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

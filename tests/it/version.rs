//! What the binary says it is, also where there is no git.

use std::path::Path;
use std::process::Command;

use crate::cli::run;

#[path = "../../src/build/commit.rs"]
mod commit;

use commit::{UNKNOWN, find};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn said(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn version_says_commit_and_features_and_its_short_form_does_not() {
    assert_eq!(said(&["-V"]), format!("waha-ingest {VERSION}\n"));
    let given = option_env!("WAHA_INGEST_COMMIT").filter(|commit| !commit.is_empty());
    let commit = given.unwrap_or(UNKNOWN);
    let expected = format!("waha-ingest {VERSION} (commit {commit}, features none)\n");
    assert_eq!(said(&["--version"]), expected);
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit; returns that.
fn make_repository(folder: &Path) -> String {
    git(folder, &["init", "--quiet"]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let commit = ["commit", "--quiet", "--allow-empty", "--message", "one"];
    git(folder, &[&who[..], &commit[..]].concat());
    git(folder, &["rev-parse", "HEAD"])
}

#[test]
fn the_commit_is_what_the_environment_says_else_what_git_says_of_this_very_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(find(None, Some(folder.path())).name, UNKNOWN, "a source archive");
    let head = make_repository(folder.path());
    let found = find(Some(" "), Some(folder.path()));
    assert_eq!(found.name, head);
    assert!(!found.watched.is_empty(), "the next commit would not be seen");
    assert_eq!(find(Some("abc\n"), Some(folder.path())).name, "abc");
    let unpacked = folder.path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    assert_eq!(find(None, Some(&unpacked)).name, UNKNOWN, "an archive inside another repository");
}

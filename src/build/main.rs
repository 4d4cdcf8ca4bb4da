//! The build script: tells the compiler what `--version` says beside the version.
//!
//! Reads two things of the environment: what cargo says of features, and `WAHA_INGEST_COMMIT`, by which a
//! release says its commit.

mod commit;

use std::env;
use std::path::Path;

/// The prefix of what cargo says of a feature that is on.
const FEATURE: &str = "CARGO_FEATURE_";

/// The environment variable that says which commit is built.
const COMMIT_VARIABLE: &str = "WAHA_INGEST_COMMIT";

fn main() {
    println!("cargo::rerun-if-env-changed={COMMIT_VARIABLE}");
    let given = env::var(COMMIT_VARIABLE).ok();
    let folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    // Only a release looks for it: else each commit would compile everything again.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let folder = Some(Path::new(&folder)).filter(|_| is_release);
    let commit = commit::find(given.as_deref(), folder);
    commit.watched.iter().for_each(|file| println!("cargo::rerun-if-changed={}", file.display()));
    println!("cargo::rerun-if-changed=src/build");
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit.name);
    println!("cargo::rustc-env=BUILD_FEATURES={}", features());
}

/// Those that are on, by name.
fn features() -> String {
    let mut names: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix(FEATURE).map(str::to_lowercase))
        .collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

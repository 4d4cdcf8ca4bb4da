//! What this binary is: the version of the release, the commit and the features it was built from.
//!
//! Commit and features come from the build script in `src/build`.

/// What `--version` says: version, commit (`unknown` if it was built from a source archive) and features.
pub(super) const DESCRIPTION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("BUILD_COMMIT"),
    ", features ",
    env!("BUILD_FEATURES"),
    ")"
);

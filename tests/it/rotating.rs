//! A secret in a file that is replaced, as Kubernetes mounts it.

use std::path::Path;

/// Puts a text in the place of the file at once.
pub fn replace(file: &Path, text: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, file).unwrap();
}

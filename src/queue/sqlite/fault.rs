//! What an error of `SQLite` is about: one command, the disk, or bytes that can't be read back.
//!
//! Asked by `writer.rs` and `sqlite.rs`: the one place where that is decided.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One command; the others of its group may pass.
    Command,
    /// The disk, its space, or another process that holds the file: nothing passes now, all may later.
    Storage,
    /// What the file holds. Trying again does not help.
    Damage,
}

/// What an error is about. An unknown one is taken for the command's.
pub(super) fn of(error: &Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Damage,
        Some(ErrorCode::SystemIoFailure) if is_read(error) => Fault::Damage,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::ApiMisuse
            | ErrorCode::InternalMalfunction,
        ) => Fault::Storage,
        _ => Fault::Command,
    }
}

/// Whether what was to be written was opened for reading only, as on a disk that is read-only.
pub(super) fn is_read_only(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
}

/// A sector that can't be read, not one that can't be written.
fn is_read(error: &Error) -> bool {
    let Error::SqliteFailure(code, _) = error else { return false };
    [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS]
        .contains(&code.extended_code)
}

/// An error that says what was found to be damaged.
pub(super) fn damage(found: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found))
}

/// An error that says why the disk did not do what was asked.
pub(super) fn storage(problem: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(problem))
}

/// An error that says that the path does not lead to what is open.
pub(super) fn removed(path: &Path) -> Error {
    storage(format!(
        "{} or its -wal or -shm file was removed or replaced while it was in use",
        path.display()
    ))
}

/// The error once more: it has no `Clone`.
pub(super) fn again(error: &Error) -> Error {
    if let Error::SqliteFailure(code, text) = error {
        return Error::SqliteFailure(*code, text.clone());
    }
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(error.to_string()))
}

//! Files that only their owner may read: queues, tables and exports hold people's messages.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::Mode;

/// What group and others may do; nobody but the owner should.
const FOREIGN_BITS: u32 = 0o077;

/// From now on every file and folder that this process makes is its owner's alone, whatever the umask
/// it was started with. Databases, their logs, sockets and exports are made in many places, some of
/// them in libraries.
pub fn keep_files_private() {
    rustix::process::umask(Mode::from_raw_mode(FOREIGN_BITS));
}

/// Says in the log if others may look into a folder that exists. Nothing is changed: somebody may have
/// wanted it.
pub(super) fn warn_of_readers(folder: &Path) {
    // A folder that is not there is made, and one that can't be looked at can't be used either.
    let Ok(metadata) = folder.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_dir() && mode & FOREIGN_BITS != 0 {
        tracing::warn!(
            folder = %folder.display(),
            mode = format!("{mode:o}"),
            "others may read people's messages in the data folder: chmod -R go= it"
        );
    }
}

//! Which databases of an installation are files, for who copies them and who puts them back.

use secrecy::ExposeSecret;

use super::make_data_dir;
use crate::backup::Files;
use crate::config::{Backend, Config};
use crate::lifecycle::Roles;
use crate::lifecycle::folder_lock::FolderLock;
use crate::store::connect::sqlite_file::file_of;

/// Those that are configured, whether they are there or not. A spool is none of them: what is in it is on its
/// way to the broker, and a copy put back later would bring it there again.
pub fn installed_files(config: &Config) -> Files {
    let is_embedded = matches!(config.queue.backend, Backend::Embedded);
    let tables = file_of(config.database_url.expose_secret());
    Files {
        queue: is_embedded.then(|| config.queue_path()),
        tables: tables.filter(|_| !config.is_door_alone()),
        key: is_embedded.then(|| config.made_key_path()),
    }
}

/// A data folder that no door and no worker of the embedded queue uses, for as long as this is kept.
pub struct Unused {
    _lock: FolderLock,
}

/// Takes the data folder, which is made if it is not there.
pub fn claim_unused(config: &Config) -> anyhow::Result<Unused> {
    make_data_dir(config)?;
    let is_embedded = matches!(config.queue.backend, Backend::Embedded);
    let roles = Roles { serves: true, works: true };
    Ok(Unused { _lock: FolderLock::take(&config.data_dir, roles, is_embedded)? })
}

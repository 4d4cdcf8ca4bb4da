//! Opens what the configuration names: data folder, queue, spool, broker, database.

mod broker;
mod files;
mod parts;
mod queue;
mod spool;
mod store;

use anyhow::Context;

use crate::config::Config;

pub use broker::{broker_options, open_management};
pub use files::{Unused, claim_unused, installed_files};
pub use parts::Parts;
pub use queue::{inspect_queue, open_queue};
pub use spool::{LeftSpool, open_left_spool};
pub use store::{ensure_tables, open_existing_store, open_store, store_options};

/// Makes the data folder, unless it is there.
pub fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let path = &config.data_dir;
    let not_folder = path.ancestors().find(|it| it.exists()).filter(|it| !it.is_dir());
    if let Some(file) = not_folder {
        anyhow::bail!(
            "data_dir = {}: {} is not a folder: name another",
            path.display(),
            file.display()
        );
    }
    std::fs::create_dir_all(path).with_context(|| format!("data_dir = {}", path.display()))
}

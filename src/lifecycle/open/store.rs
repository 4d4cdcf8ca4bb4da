//! Opens the tables.

use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;

use super::make_data_dir;
use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::there::{NoTables, ensure_there};
use crate::store::connect::replica::ReplicaOptions;
use crate::store::connect::sqlite_file::file_of;
use crate::store::{MOVED_AT_ONCE, Store, StoreOptions};

/// Opens the tables; an SQLite database is migrated.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<Store>> {
    if config.is_database_embedded() {
        make_data_dir(config)?;
    }
    let options = store_options(config);
    let store = Store::open(&options, Arc::clone(clock)).await.context("database.url")?;
    if config.is_database_embedded() {
        migration::up(&store.connection()).await.context("migrating the SQLite database")?;
    }
    Ok(Arc::new(store))
}

/// Opens tables that are there, for commands that look into them or change rows.
pub async fn open_existing_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Store>> {
    ensure_tables(config)?;
    let options = store_options(config);
    let store = Store::open_existing(&options, Arc::clone(clock)).await.context("database.url")?;
    if config.is_database_embedded() {
        let missing = migration::status(&store.connection()).await?.missing();
        anyhow::ensure!(
            missing == 0,
            "{missing} migrations are missing: start `waha-ingest up`, or run `waha-ingest migrate up`"
        );
    }
    Ok(Arc::new(store))
}

/// An error if no tables are configured, or if they are to be in a file and that is not there.
pub fn ensure_tables(config: &Config) -> anyhow::Result<()> {
    if config.is_door_alone() {
        return Err(NoTables { data_dir: config.data_dir.clone() }.into());
    }
    if let Some(file) = file_of(config.database_url.expose_secret()) {
        ensure_there(&file)?;
    }
    Ok(())
}

/// How the configured tables are opened.
pub fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        url: config.database_url.expose_secret().to_owned(),
        replica: replica_options(config),
        connections_max: config.connections_max,
        keeps_bodies: config.keeps_bodies,
        keeps_ephemeral_bodies: config.keeps_ephemeral_bodies,
        packs_bodies: config.packs_bodies,
        kept_files: config.media.as_ref().map(|media| media.kept.clone()).unwrap_or_default(),
        notifies: config.feed.notifies,
        moved_at_once: MOVED_AT_ONCE,
    }
}

fn replica_options(config: &Config) -> Option<ReplicaOptions> {
    let url = config.read_url.as_ref()?.expose_secret().to_owned();
    Some(ReplicaOptions { url, age_max: config.read_age_max })
}

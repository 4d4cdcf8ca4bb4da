//! Opens spools: a door's own, and those that doors have left behind.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::broker::broker_options;
use super::make_data_dir;
use crate::clock::Clock;
use crate::config::{BrokerConfig, Config};
use crate::lifecycle::Roles;
use crate::lifecycle::folder_lock::FolderLock;
use crate::lifecycle::there::ensure_there;
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::spool::Spool;
use crate::queue::sqlite::Options;
use crate::telemetry::dependency::Dependencies;

pub(super) fn open_spool(
    config: &Config,
    broker: &BrokerConfig,
    queue: RabbitmqQueue,
    clock: &Arc<dyn Clock>,
    dependencies: &Dependencies,
) -> anyhow::Result<Spool> {
    make_data_dir(config)?;
    spool_at(&config.spool_path(), broker, queue, clock, dependencies)
}

fn spool_at(
    path: &Path,
    broker: &BrokerConfig,
    queue: RabbitmqQueue,
    clock: &Arc<dyn Clock>,
    dependencies: &Dependencies,
) -> anyhow::Result<Spool> {
    let options = Options::new(broker.spool_bytes_max, Arc::clone(clock));
    Spool::open(Arc::new(queue), path, options, broker.publish_max, dependencies)
        .with_context(|| format!("the spool {}", path.display()))
}

/// A spool whose door is gone, which goes to the broker as long as this is kept.
pub struct LeftSpool {
    _spool: Spool,
    _folder_lock: FolderLock,
}

/// Opens the spool file at `path`, which must be there, and keeps doors from its folder.
pub fn open_left_spool(
    config: &Config,
    broker: &BrokerConfig,
    path: &Path,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<LeftSpool> {
    ensure_there(path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder_lock = FolderLock::take(folder, Roles { serves: true, works: false }, false)?;
    let queue = RabbitmqQueue::open(broker_options(config, broker));
    let spool = spool_at(path, broker, queue, clock, &Dependencies::new())?;
    Ok(LeftSpool { _spool: spool, _folder_lock: folder_lock })
}

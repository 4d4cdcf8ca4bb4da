//! Where accepted webhooks are counted: opened once, asked again and again.
//!
//! Called by `demo` and `status`; a process that has a door knows its side from `open`.

use std::path::PathBuf;
use std::sync::Arc;

use super::beat::BEAT_EVERY;
use super::open::{broker_options, inspect_queue};
use crate::accounting::{CountSources, Distributed};
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::spool::has_count;

/// Opens what is configured. `spools`: the spool files of all doors, else the one of this folder.
pub fn open_sides(
    config: &Config,
    clock: &Arc<dyn Clock>,
    spools: &[PathBuf],
) -> anyhow::Result<CountSources> {
    let Backend::Broker(broker) = &config.queue.backend else {
        return Ok(CountSources::Embedded(inspect_queue(config, clock)?));
    };
    let spools = if spools.is_empty() { vec![config.spool_path()] } else { spools.to_vec() };
    for spool in &spools {
        anyhow::ensure!(
            spool.exists() || has_count(spool),
            "{} is not there: doors count in their spool files; name all of them with --spool",
            spool.display()
        );
    }
    let queue = RabbitmqQueue::open(broker_options(config, broker));
    Ok(CountSources::Distributed(Distributed::new(queue, spools, BEAT_EVERY)))
}

//! Opens the queue: the embedded one, or a broker's with a spool in front of it.

use std::sync::Arc;

use anyhow::Context;

use super::broker::broker_options;
use super::make_data_dir;
use super::spool::open_spool;
use crate::accounting::{CountSources, Distributed};
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::lifecycle::beat::BEAT_EVERY;
use crate::lifecycle::there::ensure_there;
use crate::queue::Queue;
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::queue::reported::{PublishReport, ReportedQueue};
use crate::queue::sqlite::{Options, SqliteQueue};
use crate::telemetry::dependency::{Dependencies, Usage};

/// Opens the queue that is configured, for somebody who publishes beside its processes. The embedded one
/// must be there.
pub fn open_queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Queue>> {
    if matches!(config.queue.backend, Backend::Embedded) {
        ensure_there(&config.queue_path())?;
    }
    Ok(open_counted_queue(config, clock, false, &Dependencies::new())?.queue)
}

/// Opens the embedded queue to look into it.
pub fn inspect_queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SqliteQueue> {
    ensure_there(&config.queue_path())?;
    let options = Options::new(config.queue.bytes_max, Arc::clone(clock));
    SqliteQueue::inspect(config.queue_path(), options)
        .with_context(|| format!("the embedded queue {}", config.queue_path().display()))
}

/// A queue, and what is known of it.
pub(super) struct OpenedQueue {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) broker: Option<RabbitmqQueue>,
    pub(super) sides: Option<CountSources>,
}

/// The same, and where a process that has a door can count it all. With a broker that is true if it
/// is the only door; `status` can be told of others.
pub(super) fn open_counted_queue(
    config: &Config,
    clock: &Arc<dyn Clock>,
    serves: bool,
    dependencies: &Dependencies,
) -> anyhow::Result<OpenedQueue> {
    let broker = match &config.queue.backend {
        Backend::Embedded => {
            let queue = open_embedded(config, clock)?;
            let report = PublishReport {
                usage: Usage::Publish,
                dependencies: dependencies.clone(),
                clock: Arc::clone(clock),
                slow_after: config.limits.publish_timeout / 2,
            };
            let reported = ReportedQueue::new(Arc::new(queue.clone()), report);
            let sides = Some(CountSources::Embedded(queue));
            return Ok(OpenedQueue { queue: Arc::new(reported), broker: None, sides });
        }
        Backend::Broker(broker) => broker,
    };
    let queue = RabbitmqQueue::open(broker_options(config, broker));
    if !serves {
        let broker = Some(queue.clone());
        return Ok(OpenedQueue { queue: Arc::new(queue), broker, sides: None });
    }
    let spool = open_spool(config, broker, queue.clone(), clock, dependencies)?;
    let broker = Some(queue.clone());
    let distributed = Distributed::new(queue, vec![config.spool_path()], BEAT_EVERY);
    let sides = Some(CountSources::Distributed(distributed));
    Ok(OpenedQueue { queue: Arc::new(spool), broker, sides })
}

/// Opens the embedded queue; a damaged file is mended.
fn open_embedded(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SqliteQueue> {
    make_data_dir(config)?;
    let options = Options::new(config.queue.bytes_max, Arc::clone(clock));
    SqliteQueue::open_or_mend(config.queue_path(), options)
        .with_context(|| format!("the embedded queue {}", config.queue_path().display()))
}

//! RabbitMQ: the suite, each check with exchanges and queues of its own on one broker.

use std::sync::Arc;
use std::time::Duration;

use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};

use super::*;
use crate::rabbitmq_node::options;

every_check!(Broker::new);

/// The one wait for retries that these checks use, in real time.
const DELAY: Duration = Duration::from_secs(1);

struct Broker {
    prefix: String,
    queue: Option<RabbitmqQueue>,
}

impl Broker {
    fn new() -> Self {
        let options = options();
        let mut broker = Self { prefix: options.prefix.clone(), queue: None };
        broker.open();
        broker
    }

    fn open(&mut self) {
        let (prefix, rungs) = (self.prefix.clone(), vec![DELAY, LONG_DELAY]);
        // As many as one check holds at a time.
        // The checks hold everything while they receive, which no worker does: that needs room.
        let options = Options { prefix, rungs, prefetch: 2000, bytes_max: 1 << 40, ..options() };
        self.queue = Some(RabbitmqQueue::open(options));
    }
}

impl Harness for Broker {
    /// A broker can't be asked.
    const KNOWS_AGE: bool = false;

    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(self.queue.clone().expect("it is open"))
    }

    fn delay(&self) -> Duration {
        DELAY
    }

    /// It passes by itself, and every check waits for what comes then.
    async fn pass(&mut self, _time: Duration) {}

    async fn reopen(&mut self) {
        self.queue = None;
        self.open();
    }
}

//! Metrics for Prometheus: one registry of our own, filled by door, worker and observer.
//!
//! Made by `lifecycle` and handed around; nothing here is global. Invariant: names, labels
//! and units are those of `METRICS.md`, a contract with alert rules and dashboards, and every label
//! comes from a closed set: nobody outside can make a new series.

pub mod broker;
pub mod consumers;
pub mod database;
pub mod door;
pub mod gauges;
pub mod media;
pub mod reconcile;
mod source_clocks;
pub mod watchdog;
pub mod worker;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::telemetry::dependency::Dependencies;
use crate::telemetry::{family, lost_lines};

use broker::BrokerGauges;
use consumers::ConsumerMetrics;
use door::DoorMetrics;
use gauges::Gauges;
use media::MediaMetrics;
use reconcile::ReconcileMetrics;
use watchdog::WatchdogMetrics;
use worker::WorkerMetrics;

/// Stands for every source and event type that is not known: their names come from outside.
pub const OTHER: &str = "other";

/// The format of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Which families a process exports: those of what it runs.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// It has a door.
    pub serves: bool,
    /// It has a worker.
    pub works: bool,
    /// Its queue is a broker.
    pub has_broker: bool,
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    log_lines_lost: IntGauge,
    /// What the door counts.
    pub door: DoorMetrics,
    /// What the worker counts.
    pub worker: WorkerMetrics,
    /// What the observer sees.
    pub gauges: Gauges,
    /// What the broker's management API told.
    pub broker: BrokerGauges,
    /// What is known of consumers of the feed.
    pub consumers: ConsumerMetrics,
    /// How files of messages are fetched.
    pub media: MediaMetrics,
    /// What comparing with WAHA's list of messages found.
    pub reconcile: ReconcileMetrics,
    /// What was done about sessions in trouble.
    pub watchdog: WatchdogMetrics,
    /// How the last uses of database, queue and spool went.
    pub dependencies: Dependencies,
}

impl Metrics {
    /// Registers what a process of this scope exports. `sources` are the configured ones.
    pub fn new(scope: Scope, sources: &[String], dependencies: Dependencies) -> Self {
        let metrics = Self {
            registry: Registry::new(),
            log_lines_lost: family::gauge("log_lines_lost", "Lines of the log that were lost."),
            door: DoorMetrics::new(sources),
            worker: WorkerMetrics::new(),
            gauges: Gauges::new(),
            broker: BrokerGauges::new(),
            consumers: ConsumerMetrics::new(),
            media: MediaMetrics::new(),
            reconcile: ReconcileMetrics::new(),
            watchdog: WatchdogMetrics::new(),
            dependencies,
        };
        metrics.register(vec![build_info(), Box::new(metrics.log_lines_lost.clone())]);
        metrics.register(vec![Box::new(ProcessCollector::for_self())]);
        metrics.register(metrics.gauges.families(scope));
        metrics.register(metrics.dependencies.families());
        if scope.has_broker {
            metrics.register(metrics.broker.families());
        }
        if scope.serves {
            metrics.register(metrics.door.families());
        }
        if scope.works {
            metrics.register(metrics.worker.families());
            metrics.register(metrics.consumers.families());
            metrics.register(metrics.media.families());
            metrics.register(metrics.reconcile.families());
            metrics.register(metrics.watchdog.families());
        }
        metrics
    }

    fn register(&self, families: Vec<Box<dyn Collector>>) {
        for family in families {
            self.registry.register(family).expect("each family has a name of its own");
        }
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        self.dependencies.refresh();
        self.log_lines_lost.set(i64::try_from(lost_lines()).unwrap_or(i64::MAX));
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn build_info() -> Box<dyn Collector> {
    let info: IntGaugeVec =
        family::gauges("build_info", "Always 1; says which release runs.", &["version"]);
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Box::new(info)
}

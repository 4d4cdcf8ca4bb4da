//! Makes families: metrics of one name, with our namespace in front.
//!
//! Called by `metrics` and by `dependency`. Names are constants, so what the library refuses is a mistake of
//! ours, which every start and every test would show.

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts,
};

const NAMESPACE: &str = "waha_ingest";
const IS_VALID: &str = "names, labels and buckets are valid constants";

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

fn histogram_options(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).namespace(NAMESPACE).buckets(buckets.to_vec())
}

pub(crate) fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(options(name, help), labels).expect(IS_VALID)
}

/// The sum of the counters whose label has one of these values.
pub(crate) fn sum(counters: &IntCounterVec, label: &str, values: &[&str]) -> u64 {
    let families = counters.collect();
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let is_one = |metric: &&Metric| {
        let mut labels = metric.get_label().iter();
        labels.any(|it| it.name() == label && values.contains(&it.value()))
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of webhooks"
    )]
    let sum = metrics.filter(is_one).map(|it| it.get_counter().get_value()).sum::<f64>() as u64;
    sum
}

pub(crate) fn counter(name: &str, help: &str) -> prometheus::IntCounter {
    prometheus::IntCounter::with_opts(options(name, help)).expect(IS_VALID)
}

pub(crate) fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(options(name, help), labels).expect(IS_VALID)
}

pub(crate) fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::with_opts(options(name, help)).expect(IS_VALID)
}

pub(crate) fn times(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    GaugeVec::new(options(name, help), labels).expect(IS_VALID)
}

pub(crate) fn time(name: &str, help: &str) -> Gauge {
    Gauge::with_opts(options(name, help)).expect(IS_VALID)
}

pub(crate) fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    Histogram::with_opts(histogram_options(name, help, buckets)).expect(IS_VALID)
}

pub(crate) fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    HistogramVec::new(histogram_options(name, help, buckets), labels).expect(IS_VALID)
}

/// Milliseconds in Prometheus' unit.
pub(crate) fn seconds(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 ms")]
    let ms = ms as f64;
    ms / 1000.0
}

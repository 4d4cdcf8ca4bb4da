//! What came of it, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::output::{json_line, outln};
use crate::sender::{Answer, Report};

/// Prints it.
pub(super) fn print(report: &Report, is_json: bool) {
    if is_json {
        json_line(&to_json(report));
        return;
    }
    let Report { sent, accepted, lost, retries, refused, .. } = report;
    outln!("sent {sent}, accepted {accepted}, lost {lost}, retries {retries}, refused {refused}");
    for (answer, count) in &report.answers {
        outln!("{count:>9} × {answer}");
    }
    if *accepted == 0 {
        return;
    }
    outln!("{:.0} webhooks/s over {:.1} s", per_second(report), report.elapsed.as_secs_f64());
    let [p50, p95, p99, max] = QUANTILES.map(|quantile| ms(report, quantile));
    outln!("latency ms: p50 {p50:.1}, p95 {p95:.1}, p99 {p99:.1}, max {max:.1}");
}

const QUANTILES: [f64; 4] = [0.5, 0.95, 0.99, 1.0];

fn to_json(report: &Report) -> Value {
    let [p50, p95, p99, max] = QUANTILES.map(|quantile| ms(report, quantile));
    // Of no answer there is no latency.
    let latency = json!({ "p50": p50, "p95": p95, "p99": p99, "max": max });
    json!({
        "sent": report.sent, "accepted": report.accepted, "lost": report.lost,
        "retries": report.retries, "refused": report.refused,
        "statuses": statuses(report), "unanswered": unanswered(report),
        "seconds": report.elapsed.as_secs_f64(), "per_second": per_second(report),
        "latency_ms": (report.accepted > 0).then_some(latency),
    })
}

/// How often each status code came.
fn statuses(report: &Report) -> BTreeMap<String, u64> {
    let mut statuses = BTreeMap::new();
    for (answer, count) in &report.answers {
        if let Some(status) = answer.status() {
            *statuses.entry(status.to_string()).or_default() += count;
        }
    }
    statuses
}

/// How often there was no answer, by reason.
fn unanswered(report: &Report) -> BTreeMap<&str, u64> {
    report
        .answers
        .iter()
        .filter_map(|(answer, count)| match answer {
            Answer::None(why) => Some((why.as_str(), *count)),
            Answer::Status(..) => None,
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(report: &Report) -> f64 {
    report.accepted as f64 / report.elapsed.as_secs_f64().max(0.001)
}

#[expect(clippy::cast_precision_loss, reason = "answer times are far below 2^52 µs")]
fn ms(report: &Report, quantile: f64) -> f64 {
    report.latency_us.value_at_quantile(quantile) as f64 / 1000.0
}

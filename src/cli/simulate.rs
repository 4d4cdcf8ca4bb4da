//! `simulate`: a WAHA that signs, repeats, shuffles and retries.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;

use super::serve::key_of;
use crate::cli::output::{json_line, outln};
use crate::config::Config;
use crate::sender::{Report, Sending, send_all};
use crate::simulate::{Plan, Sent, history, shuffled};

/// WAHA's default: 15 retries, 2 s apart.
const ATTEMPTS_MAX: u32 = 15;
/// The wait before a retry.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Options of `simulate`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  waha-ingest simulate --count 20000 --duplicates 0.1 --shuffle 200 --seed 7"
)]
pub struct Options {
    /// Where to send; without it the configured listener, source `default`.
    #[arg(long)]
    url: Option<String>,
    /// Key to sign with; without it the first key of the configured source.
    #[arg(long, env = "WAHA_INGEST_SIMULATE_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    /// Different webhooks to send.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Share of them that is sent again.
    #[arg(long, default_value_t = 0.0)]
    duplicates: f64,
    /// How many places a webhook may move.
    #[arg(long, default_value_t = 0)]
    shuffle: usize,
    /// Webhooks per second; as fast as it goes without it.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests at a time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Sessions; their engines are WEBJS, NOWEB, GOWS, WPP in turn.
    #[arg(long, default_value_t = 4)]
    sessions: u16,
    /// Decides everything that is left to chance: the same seed sends the same bodies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Runs it. Exit code 1: some webhooks were given up.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    ensure!((0.0..=1.0).contains(&options.duplicates), "--duplicates must be between 0 and 1");
    ensure!(options.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    let port = config.listen.port();
    let url =
        options.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}/webhooks/default"));
    let source = url.rsplit('/').next().unwrap_or_default();
    let sending = Sending {
        key: options.key.clone().or_else(|| key_of(config, source)),
        urls: vec![url],
        connections: options.connections,
        rate: options.rate,
        attempts_max: ATTEMPTS_MAX,
        retry_delay: RETRY_DELAY,
    };
    let bar = progress_bar(options.count);
    let ticking = bar.clone();
    let report = send_all(sending, webhooks(&options), move || ticking.inc(1)).await?;
    bar.finish_and_clear();
    print(&report, options.json);
    Ok(if report.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The webhooks of a seed, disturbed as asked.
fn webhooks(options: &Options) -> impl Iterator<Item = Sent> + Send + use<> {
    let plan = Plan {
        seed: options.seed,
        sessions: options.sessions.max(1),
        // Each message brings more than one webhook, so this is always enough.
        messages: u32::try_from(options.count).unwrap_or(u32::MAX),
        ..Plan::default()
    };
    let all = history(&plan).take(options.count);
    shuffled(options.seed, options.shuffle, options.duplicates, all)
}

/// Shown on a terminal only.
fn progress_bar(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What came of it.
fn print(report: &Report, json: bool) {
    let seconds = report.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let per_second = report.accepted as f64 / seconds.max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "answer times are far below 2^52 µs")]
    let ms = |quantile: f64| report.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
    if json {
        let report = serde_json::json!({
            "sent": report.sent, "accepted": report.accepted, "lost": report.lost,
            "retries": report.retries, "refused": report.refused, "seconds": seconds, "per_second": per_second,
            "latency_ms": { "p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99), "max": ms(1.0) },
        });
        json_line(&report);
        return;
    }
    outln!(
        "sent {}, accepted {}, lost {}, retries {}, refused {}",
        report.sent,
        report.accepted,
        report.lost,
        report.retries,
        report.refused
    );
    outln!("{per_second:.0} webhooks/s over {seconds:.1} s");
    outln!(
        "latency ms: p50 {:.1}, p95 {:.1}, p99 {:.1}, max {:.1}",
        ms(0.5),
        ms(0.95),
        ms(0.99),
        ms(1.0)
    );
}

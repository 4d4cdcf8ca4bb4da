//! `simulate`: a WAHA that signs, repeats, shuffles and retries.

mod report;
mod told;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;

use super::serve::key_of;
use crate::config::Config;
use crate::sender::{Event, Sending, send_watched};
use crate::simulate::{Plan, Sent, history, shuffled};

use told::Told;

/// WAHA's default: 15 retries, 2 s apart.
const ATTEMPTS_MAX: u32 = 15;
/// The wait before a retry.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// Most webhooks per second; timers know no shorter pauses.
const RATE_MAX: f64 = 1_000_000.0;

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
    #[arg(long, default_value_t = 1000, allow_negative_numbers = true,
          value_parser = value_parser!(i64).range(1..=1_000_000_000))]
    count: i64,
    /// Share of them that is sent again, from 0 to 1.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    duplicates: f64,
    /// How many places a webhook may move.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true,
          value_parser = value_parser!(i64).range(0..=1_000_000))]
    shuffle: i64,
    /// Webhooks per second; as fast as it goes without it.
    #[arg(long, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Requests at a time.
    #[arg(long, default_value_t = 64, allow_negative_numbers = true,
          value_parser = value_parser!(i64).range(1..=10_000))]
    connections: i64,
    /// Sessions; their engines are WEBJS, NOWEB, GOWS, WPP in turn.
    #[arg(long, default_value_t = 4, allow_negative_numbers = true,
          value_parser = value_parser!(i64).range(1..=65_535))]
    sessions: i64,
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
    ensure!(
        options.rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX),
        "--rate must be above 0, and at most {RATE_MAX}"
    );
    let port = config.listen.port();
    let url =
        options.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}/webhooks/default"));
    check_url(&url)?;
    let source = url.rsplit('/').next().unwrap_or_default();
    let sending = Sending {
        key: options.key.clone().or_else(|| key_of(config, source)),
        urls: vec![url.clone()],
        connections: usize::try_from(options.connections)?,
        rate: options.rate,
        attempts_max: ATTEMPTS_MAX,
        retry_delay: RETRY_DELAY,
    };
    let bar = progress_bar(u64::try_from(options.count)?);
    let told = Told::new(url, bar.clone());
    let ticking = bar.clone();
    let telling = told.clone();
    let watch = move |event: Event<'_>| match event {
        Event::Asked => telling.asked(),
        Event::Answered(answer) => telling.answered(answer),
        Event::Ended => ticking.inc(1),
    };
    let report = tokio::select! {
        report = send_watched(sending, webhooks(&options)?, watch) => report?,
        never = told.watch_for_silence() => match never {},
    };
    bar.finish_and_clear();
    report::print(&report, options.json);
    Ok(if report.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Refuses at once what no request can be sent to.
fn check_url(url: &str) -> anyhow::Result<()> {
    let parsed = reqwest::Url::parse(url).with_context(|| format!("--url {url}"))?;
    ensure!(
        matches!(parsed.scheme(), "http" | "https") && parsed.has_host(),
        "--url {url}: it must start with http:// or https://, such as \
         http://127.0.0.1:8080/webhooks/default"
    );
    Ok(())
}

/// The webhooks of a seed, disturbed as asked.
fn webhooks(options: &Options) -> anyhow::Result<impl Iterator<Item = Sent> + Send + use<>> {
    let plan = Plan {
        seed: options.seed,
        sessions: u16::try_from(options.sessions)?,
        // Each message brings more than one webhook, so this is always enough.
        messages: u32::try_from(options.count)?,
        ..Plan::default()
    };
    let all = history(&plan).take(usize::try_from(options.count)?);
    Ok(shuffled(options.seed, usize::try_from(options.shuffle)?, options.duplicates, all))
}

/// Shown on a terminal only.
fn progress_bar(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

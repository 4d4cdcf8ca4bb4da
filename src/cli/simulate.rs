//! `simulate`: a WAHA that signs, repeats, shuffles and retries.

mod api;
mod report;
mod told;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;

use super::serve::key_of;
use crate::clock::parse_time;
use crate::config::Config;
use crate::sender::{Event, Sending, send_watched};
use crate::simulate::api::Served;
use crate::simulate::{Age, Engine, Plan, Sent, history, shuffled};

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
    after_help = "Examples:\n  waha-ingest simulate --count 20000 --duplicates 0.1 --shuffle 200 --seed 7\n  \
                  waha-ingest simulate --api 127.0.0.1:3000 --api-key secret --rate 20 --lose 0.2"
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
    /// The engine of all of them instead.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// When the history begins, such as 2026-09-21, 2026-09-21T14:13:20Z or 2d (ago).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    start: Option<DateTime<Utc>>,
    /// Which WAHA they run on.
    #[arg(long, value_name = "VERSION", value_enum, default_value_t)]
    waha: Age,
    /// Decides everything that is left to chance: the same seed sends the same bodies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: api::ApiArgs,
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
        waha: options.waha,
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
    let served = options.api.serve(&options, &sending)?;
    let webhooks = webhooks(&options, served.as_deref())?;
    let report = tokio::select! {
        report = send_watched(sending, webhooks, watch) => report?,
        never = told.watch_for_silence() => match never {},
        never = options.api.restart_again_and_again(served.as_deref()) => match never {},
    };
    bar.finish_and_clear();
    report::print(&report, options.json);
    if let Some(served) = served {
        options.api.answer_until_stopped(&served).await?;
    }
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

/// What happens.
fn plan(options: &Options) -> anyhow::Result<Plan> {
    let plan = Plan::default();
    Ok(Plan {
        seed: options.seed,
        sessions: u16::try_from(options.sessions)?,
        engine: options.engine,
        // Each message brings more than one webhook, so this is always enough.
        messages: u32::try_from(options.count)?,
        age: options.waha,
        start_ms: options.start.map_or(plan.start_ms, |start| start.timestamp_millis()),
        ..plan
    })
}

/// The webhooks of a seed, disturbed as asked; those of the API where it is served.
fn webhooks(
    options: &Options,
    served: Option<&Served>,
) -> anyhow::Result<impl Iterator<Item = Sent> + Send + use<>> {
    let all: Box<dyn Iterator<Item = Sent> + Send> = match served {
        Some(served) => Box::new(served.webhooks()),
        None => Box::new(history(&plan(options)?)),
    };
    let all = all.take(usize::try_from(options.count)?);
    Ok(shuffled(options.seed, usize::try_from(options.shuffle)?, options.duplicates, all))
}

/// Shown on a terminal only.
fn progress_bar(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

//! `check`: whether configuration, queue and database are usable, and if not, why.

mod line;
mod queue;
mod ready;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;

use super::without_password;
use crate::cli::output::outln;
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config, QueueConfig, Verification};
use crate::server::{Limits, descriptors};
use crate::store::{Store, StoreOptions};

use line::{CheckLine, Verdict};

/// Options of `check`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest check --print\n  waha-ingest check --grow\n\nExit code 1: something must be mended."
)]
pub struct Options {
    /// Also print the effective configuration, without secrets.
    #[arg(long)]
    print: bool,
    /// Only ask the process that runs with this configuration whether it is ready.
    #[arg(long, conflicts_with = "print")]
    ready: bool,
    /// Give queues of the broker that are on too few of its nodes a member on further ones; where its
    /// management API can't, say which command does it. Nothing is taken away.
    #[arg(long, conflicts_with = "ready")]
    grow: bool,
}

/// Runs it. A configuration that can't be read has already been reported.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    if options.ready {
        return ready::run(config).await;
    }
    if options.print {
        print(config);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut lines = vec![
        CheckLine::of("configuration", sources(config)),
        CheckLine::of("listener", Ok(listener(&config.limits))),
    ];
    lines.extend(queue::check(config, &clock, options.grow).await);
    lines.push(CheckLine::of("database", database(config, clock).await));
    for line in &lines {
        outln!("{line}");
    }
    let has_failed = lines.iter().any(|line| line.verdict == Verdict::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn sources(config: &Config) -> anyhow::Result<String> {
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    anyhow::ensure!(
        !names.is_empty(),
        "no source: set WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS (`up` would make a key)"
    );
    Ok(format!("sources {}", names.join(", ")))
}

/// How many connections this machine allows; fewer than wanted is no fault.
fn listener(limits: &Limits) -> String {
    let (wanted, descriptors) = (limits.connection.connections_max, descriptors::raise_limit());
    let allowed = descriptors::connections_within(descriptors);
    let connections = if allowed < wanted {
        format!(
            "{allowed} connections, because the process may have {descriptors} descriptors: raise \
             its limit (ulimit -n) for server.connections_max = {wanted}"
        )
    } else {
        format!("{wanted} connections")
    };
    let backlog = match descriptors::backlog_allowed() {
        Some(allowed) if allowed < descriptors::BACKLOG => format!(
            "{allowed} new ones wait, because net.core.somaxconn allows no more: raise it to {} if \
             they come in larger bursts",
            descriptors::BACKLOG
        ),
        _ => format!("{} new ones wait", descriptors::BACKLOG),
    };
    format!("{connections}; {backlog}")
}

async fn database(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<String> {
    let url = config.database_url.expose_secret().to_owned();
    let options = StoreOptions {
        url,
        connections_max: 1,
        keeps_bodies: config.keeps_bodies,
        keeps_ephemeral_bodies: config.keeps_ephemeral_bodies,
    };
    let store = Store::open(&options, clock).await?;
    store.ping().await.map_err(|error| anyhow::anyhow!(error.detail()))?;
    if let Some(why) =
        store.refuses_writes().await.map_err(|error| anyhow::anyhow!(error.detail()))?
    {
        anyhow::bail!("{why}");
    }
    let schema = migration::status(store.connection()).await.context("reading the migrations")?;
    let missing = schema.missing();
    let foreign = migration::foreign(store.connection(), &schema).await?;
    anyhow::ensure!(
        foreign.is_empty(),
        "somebody else's tables have names of ours: {}. `migrate up` says what helps",
        foreign.join(", ")
    );
    anyhow::ensure!(
        missing == 0 || config.is_database_embedded(),
        "{missing} migrations are missing: run `waha-ingest migrate up`"
    );
    ensure_bodies_fit(store.message_bytes_max(), config.limits.body_bytes_max)?;
    let newer = match schema.newer.len() {
        0 => String::new(),
        newer => format!(", {newer} of a newer release"),
    };
    Ok(format!("reached, {} migrations{newer}", schema.steps.len()))
}

/// What a statement has beside the body of a webhook.
const BESIDE_BODY_BYTES: usize = 256 * 1024;

/// Whether the database takes every body that the door takes.
fn ensure_bodies_fit(
    message_bytes_max: Option<usize>,
    body_bytes_max: usize,
) -> anyhow::Result<()> {
    let Some(most) = message_bytes_max else { return Ok(()) };
    let needed = body_bytes_max + BESIDE_BODY_BYTES;
    anyhow::ensure!(
        most >= needed,
        "the server's max_allowed_packet is {most} bytes, but with server.body_bytes_max = \
         {body_bytes_max} a statement can have {needed}: longer webhooks would become dead letters \
         (too_large); set max_allowed_packet to at least {needed}, or server.body_bytes_max lower"
    );
    Ok(())
}

fn print(config: &Config) {
    outln!("data_dir = {:?}", config.data_dir.display().to_string());
    outln!("server.listen = \"{}\"", config.listen);
    outln!("server.body_bytes_max = {}", config.limits.body_bytes_max);
    print_limits(&config.limits);
    outln!("server.stop_grace_ms = {}", config.stop_grace.as_millis());
    outln!("admin.listen = \"{}\"", config.admin_listen.map(|a| a.to_string()).unwrap_or_default());
    outln!("admin.open_metrics = {}", config.admin.open_metrics);
    for token in &config.admin.tokens {
        outln!("admin.tokens.{}.role = \"{}\" (secret hidden)", token.name, token.role.name());
    }
    for source in &config.sources {
        match &source.verification {
            Verification::HmacSha512(keys) => {
                outln!("sources.{}.hmac_keys = {} (hidden)", source.name, keys.len());
            }
            Verification::None => outln!("sources.{}.verify = \"none\"", source.name),
        }
    }
    outln!("database.url = \"{}\"", without_password(config.database_url.expose_secret()));
    outln!("database.connections_max = {}", config.connections_max);
    print_queue(&config.queue);
    outln!("worker.batch_max = {}", config.batch_max);
    outln!("worker.batch_bytes_max = {}", config.batch_bytes_max);
    outln!("worker.memory_bytes_max = {}", config.worker_memory_bytes_max);
    outln!("worker.concurrency = {}", config.concurrency);
    outln!("worker.hold_max_ms = {}", config.hold_max.as_millis());
    let delays: Vec<u128> =
        config.retry.delays.iter().map(std::time::Duration::as_millis).collect();
    outln!("retry.delays_ms = {delays:?}");
    outln!("retry.jitter = {}", config.retry.jitter);
    let word = |keeps| if keeps { "all" } else { "none" };
    outln!("ledger.bodies = \"{}\"", word(config.keeps_bodies));
    outln!("ledger.ephemeral_bodies = \"{}\"", word(config.keeps_ephemeral_bodies));
    let days = config.bodies_age_max.map_or(0, |age| age.as_secs() / 86_400);
    outln!("ledger.body_days = {days}");
    outln!("sessions.silent_after_ms = {}", config.silent_after.as_millis());
    outln!("normalize.user_id_key = {:?}", config.rules.user_id_key);
    outln!("log.level = {:?}", config.log_level);
}

fn print_limits(limits: &Limits) {
    outln!("server.body_rate_min_bytes = {}", limits.body_rate_min);
    outln!("server.publish_timeout_ms = {}", limits.publish_timeout.as_millis());
    outln!("server.memory_bytes_max = {}", limits.memory_bytes_max);
    let proxies: Vec<String> = limits.trusted_proxies.iter().map(ToString::to_string).collect();
    outln!("server.trusted_proxies = {proxies:?}");
    let connection = &limits.connection;
    outln!("server.connections_max = {}", connection.connections_max);
    outln!("server.head_timeout_ms = {}", connection.head_timeout.as_millis());
    outln!("server.body_timeout_ms = {}", connection.body_timeout.as_millis());
    outln!("server.idle_timeout_ms = {}", connection.idle_timeout.as_millis());
    outln!("server.write_timeout_ms = {}", connection.write_timeout.as_millis());
    outln!("server.connection_age_max_ms = {}", connection.age_max.as_millis());
}

fn print_queue(queue: &QueueConfig) {
    match &queue.backend {
        Backend::Embedded => {
            outln!("queue.url = \"embedded\"");
            outln!("queue.bytes_max = {}", queue.bytes_max);
        }
        Backend::Broker(broker) => {
            let urls = broker.urls.iter().map(|url| without_password(url.expose_secret()));
            outln!("queue.url = {:?}", urls.collect::<Vec<_>>());
            outln!("queue.prefix = {:?}", broker.prefix);
            let urls = broker.management_urls.iter();
            let urls = urls.map(|url| without_password(url.expose_secret()));
            outln!("queue.management_url = {:?}", urls.collect::<Vec<_>>());
            outln!("queue.ca_file = {}", if broker.ca_pem.is_some() { "given" } else { "\"\"" });
            outln!("queue.publish_timeout_ms = {}", broker.publish_max.as_millis());
            outln!("queue.spool_bytes_max = {}", broker.spool_bytes_max);
        }
    }
}

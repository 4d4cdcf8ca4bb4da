//! `check`: whether configuration, queue and database are usable, and if not, why.

mod ready;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;

use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config, QueueConfig, Verification};
use crate::lifecycle::{broker_options, open_queue};
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::store::{Store, StoreOptions};

/// Options of `check`.
#[derive(Args)]
#[command(after_help = "Example:\n  waha-ingest check --print")]
pub struct Options {
    /// Also print the effective configuration, without secrets.
    #[arg(long)]
    print: bool,
    /// Only ask the process that runs with this configuration whether it is ready.
    #[arg(long, conflicts_with = "print")]
    ready: bool,
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
    let results = [
        ("configuration", sources(config)),
        ("queue", queue(config, &clock).await),
        ("database", database(config, clock).await),
    ];
    let mut code = ExitCode::SUCCESS;
    for (part, result) in results {
        match result {
            Ok(text) => println!("ok      {part}: {text}"),
            Err(error) => {
                println!("FAILED  {part}: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn sources(config: &Config) -> anyhow::Result<String> {
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    anyhow::ensure!(
        !names.is_empty(),
        "no source: set WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS (`up` would make a key)"
    );
    Ok(format!("sources {}", names.join(", ")))
}

async fn queue(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<String> {
    let Backend::Broker(broker) = &config.queue.backend else {
        let depth = open_queue(config, clock, false)?.depth().await?;
        return Ok(format!("embedded, {} waiting", depth.total()));
    };
    let options = broker_options(config, broker);
    let mut versions = Vec::new();
    for url in &broker.urls {
        let version = RabbitmqQueue::check(&options, url).await;
        let shown = without_password(url.expose_secret());
        versions.push(version.with_context(|| format!("queue.url = {shown}"))?);
    }
    Ok(format!("RabbitMQ {}, everything declared", versions.join(", ")))
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
    let schema = migration::status(store.connection()).await.context("reading the migrations")?;
    let missing = schema.missing();
    anyhow::ensure!(
        missing == 0 || config.is_database_embedded(),
        "{missing} migrations are missing: run `waha-ingest migrate up`"
    );
    let newer = match schema.newer.len() {
        0 => String::new(),
        newer => format!(", {newer} of a newer release"),
    };
    Ok(format!("reached, {} migrations{newer}", schema.steps.len()))
}

fn print(config: &Config) {
    println!("data_dir = {:?}", config.data_dir.display().to_string());
    println!("server.listen = \"{}\"", config.listen);
    println!("server.body_bytes_max = {}", config.limits.body_bytes_max);
    println!("server.body_timeout_ms = {}", config.limits.body_timeout.as_millis());
    println!("server.publish_timeout_ms = {}", config.limits.publish_timeout.as_millis());
    println!("server.memory_bytes_max = {}", config.limits.memory_bytes_max);
    println!("server.stop_grace_ms = {}", config.stop_grace.as_millis());
    println!(
        "admin.listen = \"{}\"",
        config.admin_listen.map(|a| a.to_string()).unwrap_or_default()
    );
    println!("admin.open_metrics = {}", config.admin.open_metrics);
    for token in &config.admin.tokens {
        println!("admin.tokens.{}.role = \"{}\" (secret hidden)", token.name, token.role.name());
    }
    for source in &config.sources {
        match &source.verification {
            Verification::HmacSha512(keys) => {
                println!("sources.{}.hmac_keys = {} (hidden)", source.name, keys.len());
            }
            Verification::None => println!("sources.{}.verify = \"none\"", source.name),
        }
    }
    println!("database.url = \"{}\"", without_password(config.database_url.expose_secret()));
    println!("database.connections_max = {}", config.connections_max);
    print_queue(&config.queue);
    println!("worker.batch_max = {}", config.batch_max);
    println!("worker.concurrency = {}", config.concurrency);
    println!("worker.hold_max_ms = {}", config.hold_max.as_millis());
    let delays: Vec<u128> =
        config.retry.delays.iter().map(std::time::Duration::as_millis).collect();
    println!("retry.delays_ms = {delays:?}");
    println!("retry.jitter = {}", config.retry.jitter);
    let word = |keeps| if keeps { "all" } else { "none" };
    println!("ledger.bodies = \"{}\"", word(config.keeps_bodies));
    println!("ledger.ephemeral_bodies = \"{}\"", word(config.keeps_ephemeral_bodies));
    let days = config.bodies_age_max.map_or(0, |age| age.as_secs() / 86_400);
    println!("ledger.body_days = {days}");
    println!("sessions.silent_after_ms = {}", config.silent_after.as_millis());
    println!("normalize.user_id_key = {:?}", config.rules.user_id_key);
    println!("log.level = {:?}", config.log_level);
}

fn print_queue(queue: &QueueConfig) {
    match &queue.backend {
        Backend::Embedded => {
            println!("queue.url = \"embedded\"");
            println!("queue.bytes_max = {}", queue.bytes_max);
        }
        Backend::Broker(broker) => {
            let urls = broker.urls.iter().map(|url| without_password(url.expose_secret()));
            println!("queue.url = {:?}", urls.collect::<Vec<_>>());
            println!("queue.prefix = {:?}", broker.prefix);
            println!("queue.ca_file = {}", if broker.ca_pem.is_some() { "given" } else { "\"\"" });
            println!("queue.publish_timeout_ms = {}", broker.publish_max.as_millis());
            println!("queue.spool_bytes_max = {}", broker.spool_bytes_max);
        }
    }
}

/// A URL whose user, password and parameters are hidden.
fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        _ => url.to_owned(),
    }
}

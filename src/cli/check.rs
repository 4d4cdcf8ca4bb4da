//! `check`: whether configuration, ports, disk, queue, database and WAHA are usable, and if not, why. Changes
//! nothing.

mod database;
mod health;
mod line;
mod machine;
mod queue;
mod ready;
mod search;
mod waha;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::serve::made_key;
use crate::admin::Setting;
use crate::cli::output::outln;
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config};
use crate::server::{Limits, descriptors};

use line::{CheckLine, Verdict};

pub(super) use ready::reachable;

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
        config.shown.iter().for_each(|Setting { key, value, .. }| outln!("{key} = {value}"));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut lines = vec![
        CheckLine::of("configuration", sources(config)),
        CheckLine::of("listener", Ok(listener(&config.limits))),
    ];
    lines.extend(machine::check(config).await);
    lines.extend(queue::check(config, &clock, options.grow).await);
    lines.extend(database::check(config, clock).await);
    lines.extend(waha::check(config).await);
    for line in &lines {
        outln!("{line}");
    }
    let has_failed = lines.iter().any(|line| line.verdict == Verdict::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn sources(config: &Config) -> anyhow::Result<String> {
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    if names.is_empty() && is_worker_alone(config) {
        return Ok("no source: `work` needs none, `serve` and `up` do".to_owned());
    }
    if names.is_empty()
        && let Some(path) = made_key(config)
    {
        return Ok(format!("source default, by the key that `up` made, in {}", path.display()));
    }
    anyhow::ensure!(
        !names.is_empty(),
        "no source: set WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS (`up` makes a key by itself)"
    );
    Ok(format!("sources {}", names.join(", ")))
}

/// It knows broker and tables, as `work` does in a pod of its own; `up` makes itself a source.
fn is_worker_alone(config: &Config) -> bool {
    let has_broker = matches!(config.queue.backend, Backend::Broker(_));
    has_broker && config.is_database_named && made_key(config).is_none()
}

/// How many connections this machine allows; fewer than wanted is no fault.
fn listener(limits: &Limits) -> String {
    let wanted = limits.connection.connections_max;
    let descriptors = descriptors::raise_limit();
    let allowed = descriptors::connections_within(descriptors);
    let connections = if allowed < wanted {
        format!(
            "{allowed} connections, because the process may have {descriptors} descriptors: raise \
             its limit (ulimit -n) for server.connections_max = {wanted}"
        )
    } else {
        format!("{wanted} connections at a time")
    };
    let backlog = match descriptors::backlog_allowed() {
        Some(allowed) if allowed < descriptors::BACKLOG => format!(
            "bursts of {allowed} new ones, as this machine's net.core.somaxconn says (up to {} are used)",
            descriptors::BACKLOG
        ),
        _ => format!("bursts of {} new ones", descriptors::BACKLOG),
    };
    format!("{connections}; {backlog}")
}

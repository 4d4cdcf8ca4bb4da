//! How fast webhooks are made durable on RabbitMQ, beside the bounds of what it is made of. Prints
//! figures, asserts nothing.
//!
//! ```sh
//! tests/bench door        # starts a private broker; CONNECTIONS=64 BODY=2500 for one row
//! ```
//!
//! In one process, in turns, three times each: actix verifying alone, lapin confirming alone, both in
//! the smallest handler that is correct, once for a plain queue and once for the exchange and queues of
//! `serve`, and `serve` as it is (door, spool, RabbitMQ queue). The load comes over raw sockets from the
//! same machine, so that the client costs little.

#[path = "door/bare.rs"]
mod bare;
#[path = "door/load.rs"]
mod load;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use waha_ingest::clock::{Clock, SystemClock};
use waha_ingest::config::Config;
use waha_ingest::queue::spool::Spool;
use waha_ingest::queue::sqlite::Options;
use waha_ingest::queue::{Delivery, Depth, Failure, Lane, Queue, QueueError};
use waha_ingest::server::{Door, listen, serve_public};
use waha_ingest::telemetry::metrics::door::DoorMetrics;
use waha_ingest::webhook::Webhook;
use waha_ingest::webhook::source::Source;

use bare::Target;
use load::{Figures, KEY, load, median, setting};

/// Runs of each variant; the median counts.
const RUNS: usize = 3;
/// How long one run takes.
const RUN: Duration = Duration::from_secs(4);
/// How long the broker has before each run.
const BROKER_SETTLES: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL names a private broker");
    println!(
        "webhooks/s, median of {RUNS} runs of {} s; latency in ms; CPU with the client",
        RUN.as_secs()
    );
    println!(
        "| connections | body | verify | confirm | both, plain queue | both, our queues | serve | serve / plain | serve / our queues | p50 | p99 | CPU s per 1,000: both, our queues | serve |"
    );
    println!("|{}", " --- |".repeat(13));
    for body_bytes in chosen("BODY", [2_500, 12_000]) {
        for connections in chosen("CONNECTIONS", [16, 64, 256]) {
            row(&url, connections, body_bytes).await;
        }
    }
    println!("memory of this process, client included: {} MB", load::memory_mb());
}

/// All, or the one that a variable names.
fn chosen<const N: usize>(variable: &str, all: [usize; N]) -> Vec<usize> {
    setting(variable).map_or(all.to_vec(), |one| vec![one])
}

async fn row(url: &str, connections: usize, body_bytes: usize) {
    let (mut verify, mut confirm, mut serve) = (vec![], vec![], vec![]);
    let (mut plain, mut both) = (vec![], vec![]);
    for _ in 0..RUNS {
        verify.push(door(Arc::new(Discard), connections, body_bytes).await);
        settle().await;
        confirm.push(bare::confirm(url, connections, body_bytes, RUN).await);
        settle().await;
        plain.push(both_minimal(url, Target::Plain, connections, body_bytes).await);
        settle().await;
        both.push(both_minimal(url, Target::Ours, connections, body_bytes).await);
        settle().await;
        serve.push(serve_as_it_is(url, connections, body_bytes).await);
    }
    let rate = |runs: &[Figures]| median(runs.iter().map(|run| run.per_second));
    let cpu = |runs: &[Figures]| median(runs.iter().map(|run| run.cpu_s_per_1000));
    let (both_cpu, both, plain, figures) = (cpu(&both), rate(&both), rate(&plain), &serve);
    println!(
        "| {connections} | {body_bytes} | {:.0} | {:.0} | {plain:.0} | {both:.0} | {:.0} | {:.0} % | {:.0} % | {:.1} | {:.1} | {both_cpu:.3} | {:.3} |",
        rate(&verify),
        rate(&confirm),
        rate(figures),
        100.0 * rate(figures) / plain,
        100.0 * rate(figures) / both,
        median(figures.iter().map(|run| run.p50_ms)),
        median(figures.iter().map(|run| run.p99_ms)),
        cpu(figures),
    );
}

/// The broker goes on writing for a while: quorum queues move what they took from log to segments.
async fn settle() {
    tokio::time::sleep(BROKER_SETTLES).await;
}

async fn serve_as_it_is(url: &str, connections: usize, body_bytes: usize) -> Figures {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prefix = bare::prefix();
    let broker = Arc::new(bare::ours(url, &prefix).await);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let path = folder.path().join("spool.db");
    let spool = Spool::open(broker, &path, Options::new(1 << 40, clock), Duration::from_secs(1));
    let figures = door(Arc::new(spool.expect("a spool")), connections, body_bytes).await;
    bare::remove(url, &prefix).await;
    figures
}

async fn both_minimal(url: &str, target: Target, connections: usize, body_bytes: usize) -> Figures {
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (server, outlet) = bare::serve(listener, url, target).await;
    let handle = server.handle();
    tokio::spawn(server);
    let figures = load(address, connections, body_bytes, RUN).await;
    handle.stop(false).await;
    outlet.remove().await;
    figures
}

/// The real door before some queue.
async fn door(queue: Arc<dyn Queue>, connections: usize, body_bytes: usize) -> Figures {
    let config = Config::load_defaults().expect("defaults");
    let source = Source::signed("default", &[KEY.into()]);
    let door =
        Door::new(vec![source], queue, Arc::new(SystemClock), config.limits, DoorMetrics::new(&[]));
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = serve_public(listener, Arc::new(door), config.stop_grace).expect("a server");
    let handle = server.handle();
    tokio::spawn(server);
    let figures = load(address, connections, body_bytes, RUN).await;
    handle.stop(false).await;
    figures
}

/// Takes everything and keeps nothing: what is left is actix and the signature.
struct Discard;

#[async_trait]
impl Queue for Discard {
    fn backend(&self) -> &'static str {
        "discard"
    }

    async fn publish(&self, _: Webhook) -> Result<(), QueueError> {
        Ok(())
    }

    async fn receive(&self, _: Lane, _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn ack(&self, _: Vec<Delivery>) -> Result<(), QueueError> {
        Ok(())
    }

    async fn retry(&self, _: Delivery, _: Failure, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

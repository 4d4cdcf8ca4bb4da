//! How fast webhooks are made durable on RabbitMQ, beside the bounds of what it is made of. Prints
//! figures, asserts nothing.
//!
//! ```sh
//! tests/bench door        # starts a private broker; CONNECTIONS=64 BODY=2500 RUNS=5 for one row
//! ```
//!
//! In turns, three times each: actix verifying alone, lapin confirming alone, both in the smallest
//! handler that is correct, once for a plain queue and once for the exchange and queues of `serve`, and
//! the real `serve`. Each is a process of its own, with the same allocator; the load comes over raw
//! sockets from this process, so that the client costs little.
//!
//! The order changes with each round: a quorum queue moves what it took from its log to segments after
//! every 512 MB, which would hit the same one each time.

#[path = "door/bare.rs"]
mod bare;
#[path = "door/load.rs"]
mod load;
#[path = "door/server.rs"]
mod server;

use std::time::Duration;

use load::{Figures, cpu_seconds, load, median, memory_mb, setting};
use mimalloc::MiMalloc;
use server::{Server, Variant};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long one run takes.
const RUN: Duration = Duration::from_secs(4);
/// How long a process and the broker have before each run.
const SETTLES: Duration = Duration::from_secs(5);

/// What one run of a variant showed.
struct Run {
    figures: Figures,
    cpu_s_per_1000: f64,
    memory_mb: u64,
}

#[tokio::main]
async fn main() {
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL names a private broker");
    server::be_a_child(&url).await;
    let runs = setting("RUNS").unwrap_or(3);
    let seconds = RUN.as_secs();
    println!(
        "webhooks/s, median of {runs} runs of {seconds} s; latency in ms; CPU s per 1,000; MB"
    );
    println!(
        "| connections | body | verify | confirm | both, plain queue | both, our queues | serve | serve / plain | serve / our queues | p50 | p99 | CPU both | CPU serve | memory both | memory serve |"
    );
    println!("|{}", " --- |".repeat(15));
    for body_bytes in chosen("BODY", [2_500, 12_000]) {
        for connections in chosen("CONNECTIONS", [16, 64, 256]) {
            row(&url, runs, connections, body_bytes).await;
        }
    }
}

/// All, or the one that a variable names.
fn chosen<const N: usize>(variable: &str, all: [usize; N]) -> Vec<usize> {
    setting(variable).map_or(all.to_vec(), |one| vec![one])
}

async fn row(url: &str, rounds: usize, connections: usize, body_bytes: usize) {
    let mut confirm = Vec::new();
    let mut runs = Variant::ALL.map(|_| Vec::new());
    for round in 0..rounds {
        confirm.push(bare::confirm(url, connections, body_bytes, RUN).await.per_second);
        for turn in 0..Variant::ALL.len() {
            let variant = Variant::ALL[(turn + round) % Variant::ALL.len()];
            runs[variant as usize].push(run(variant, url, connections, body_bytes).await);
        }
    }
    let of =
        |variant: Variant, value: fn(&Run) -> f64| median(runs[variant as usize].iter().map(value));
    let rate = |variant| of(variant, |run| run.figures.per_second);
    let cpu = |variant| of(variant, |run| run.cpu_s_per_1000);
    let memory = |variant: Variant| runs[variant as usize].iter().map(|run| run.memory_mb).max();
    let serve = rate(Variant::Serve);
    println!(
        "| {connections} | {body_bytes} | {:.0} | {:.0} | {:.0} | {:.0} | {serve:.0} | {:.0} % | {:.0} % | {:.1} | {:.1} | {:.3} | {:.3} | {} | {} |",
        rate(Variant::Verify),
        median(confirm.into_iter()),
        rate(Variant::Plain),
        rate(Variant::Ours),
        100.0 * serve / rate(Variant::Plain),
        100.0 * serve / rate(Variant::Ours),
        of(Variant::Serve, |run| run.figures.p50_ms),
        of(Variant::Serve, |run| run.figures.p99_ms),
        cpu(Variant::Ours),
        cpu(Variant::Serve),
        memory(Variant::Ours).unwrap_or_default(),
        memory(Variant::Serve).unwrap_or_default(),
    );
}

async fn run(variant: Variant, url: &str, connections: usize, body_bytes: usize) -> Run {
    let server = Server::start(variant, url).await;
    tokio::time::sleep(SETTLES).await;
    let cpu = cpu_seconds(server.id());
    let figures = load(server.address(), connections, body_bytes, RUN).await;
    let cpu = cpu_seconds(server.id()) - cpu;
    let memory_mb = memory_mb(server.id());
    server.remove().await;
    if setting::<String>("VERBOSE").is_some() {
        eprintln!("{variant:?} {connections} {body_bytes}: {:.0}/s", figures.per_second);
    }
    Run { cpu_s_per_1000: 1000.0 * cpu / figures.count, figures, memory_mb }
}

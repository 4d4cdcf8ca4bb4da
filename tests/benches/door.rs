//! How fast webhooks are made durable on RabbitMQ, beside the bounds of what it is made of. Prints
//! figures, asserts nothing.
//!
//! ```sh
//! tests/bench door        # starts a private broker; CONNECTIONS=64 BODY=2500 ROUNDS=21 for one row
//! ```
//!
//! `OTHER=PATH` compares `serve` of another release in the same run, by a line below each row.
//!
//! Actix verifying alone, lapin confirming alone, both in the smallest handler that is correct, once for
//! a plain queue and once for the exchange and queues of `serve`, and the real `serve`. Each is a process
//! of its own, with the same allocator; the load comes over raw sockets from this process, so that the
//! client costs little.
//!
//! A shared machine is fast for some seconds and slow for others. So all run at once, and are loaded in
//! turns, briefly and many times, each into empty queues; a ratio is the median of the rounds' ratios. The
//! order changes with each round: a quorum queue moves what it took from its log to segments after every
//! 512 MB, which would hit the same one each time.

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
const RUN: Duration = Duration::from_secs(2);
/// How long the broker has before each run.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the processes and the broker have before the first run.
const SETTLES: Duration = Duration::from_secs(5);
const ROUNDS: usize = 11;

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
    let rounds = setting("ROUNDS").unwrap_or(ROUNDS);
    let seconds = RUN.as_secs();
    println!(
        "webhooks/s, median of {rounds} runs of {seconds} s; latency in ms; CPU s per 1,000; MB"
    );
    println!(
        "| connections | body | verify | confirm | both, plain queue | both, our queues | serve | serve / plain | serve / our queues | p50 | p99 | CPU both | CPU serve | memory both | memory serve |"
    );
    println!("|{}", " --- |".repeat(15));
    for body_bytes in chosen("BODY", [2_500, 12_000]) {
        for connections in chosen("CONNECTIONS", [16, 64, 256]) {
            row(&url, rounds, connections, body_bytes).await;
        }
    }
}

/// All, or the one that a variable names.
fn chosen<const N: usize>(variable: &str, all: [usize; N]) -> Vec<usize> {
    setting(variable).map_or(all.to_vec(), |one| vec![one])
}

async fn row(url: &str, rounds: usize, connections: usize, body_bytes: usize) {
    let (mut confirm, mut runs) = (Vec::new(), Variant::ALL.map(|_| Vec::new()));
    let servers = Server::start_all(url).await;
    tokio::time::sleep(SETTLES).await;
    for round in 0..rounds {
        confirm.push(bare::confirm(url, connections, body_bytes, RUN).await.per_second);
        for turn in 0..servers.len() {
            let variant = (turn + round) % servers.len();
            runs[variant].push(run(&servers[variant], connections, body_bytes).await);
        }
    }
    for server in servers {
        server.remove().await;
    }
    print(connections, body_bytes, median(confirm.into_iter()), &runs);
}

fn print(
    connections: usize,
    body_bytes: usize,
    confirm: f64,
    runs: &[Vec<Run>; Variant::ALL.len()],
) {
    let runs = |variant: Variant| runs[variant as usize].iter();
    let of = |variant, value: fn(&Run) -> f64| median(runs(variant).map(value));
    let rate = |variant| of(variant, |run| run.figures.per_second);
    let cpu = |variant| of(variant, |run| run.cpu_s_per_1000);
    let memory = |variant| runs(variant).map(|run| run.memory_mb).max().unwrap_or_default();
    let ratio = |(one, other): (&Run, &Run)| one.figures.per_second / other.figures.per_second;
    let serve_beside = |other| 100.0 * median(runs(Variant::Serve).zip(runs(other)).map(ratio));
    println!(
        "| {connections} | {body_bytes} | {:.0} | {confirm:.0} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % | {:.1} | {:.1} | {:.3} | {:.3} | {} | {} |",
        rate(Variant::Verify),
        rate(Variant::Plain),
        rate(Variant::Ours),
        rate(Variant::Serve),
        serve_beside(Variant::Plain),
        serve_beside(Variant::Ours),
        of(Variant::Serve, |run| run.figures.p50_ms),
        of(Variant::Serve, |run| run.figures.p99_ms),
        cpu(Variant::Ours),
        cpu(Variant::Serve),
        memory(Variant::Ours),
        memory(Variant::Serve),
    );
    if server::other().is_some() {
        println!(
            "other: {:.0}/s, {:.3} CPU s per 1,000; serve / other: {:.1} %",
            rate(Variant::Other),
            cpu(Variant::Other),
            serve_beside(Variant::Other),
        );
    }
}

async fn run(server: &Server, connections: usize, body_bytes: usize) -> Run {
    server.empty().await;
    tokio::time::sleep(PAUSE).await;
    let cpu = cpu_seconds(server.id());
    let figures = load(server.address(), connections, body_bytes, RUN).await;
    let cpu = cpu_seconds(server.id()) - cpu;
    if setting::<String>("VERBOSE").is_some() {
        let variant = server.variant();
        eprintln!("{variant:?} {connections} {body_bytes}: {:.0}/s", figures.per_second);
    }
    Run { cpu_s_per_1000: 1000.0 * cpu / figures.count, figures, memory_mb: memory_mb(server.id()) }
}

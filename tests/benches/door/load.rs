//! A client that costs little: ready-made requests over raw keep-alive connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use waha_ingest::webhook::source::sign;

pub const KEY: &str = "secret";

/// What one run showed.
pub struct Figures {
    pub count: f64,
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// A variable of the environment, if it is set and can be read.
pub fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Posts for `time` over so many connections.
pub async fn load(
    address: SocketAddr,
    connections: usize,
    body_bytes: usize,
    time: Duration,
) -> Figures {
    let started = Instant::now();
    let (mut clients, refused) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    for number in 0..connections {
        let request = request(number, body_bytes);
        clients.spawn(client(address, request, started + time, Arc::clone(&refused)));
    }
    let mut all = Histogram::new(3).expect("three digits are allowed");
    for latencies in clients.join_all().await {
        all.add(latencies).expect("equal histograms");
    }
    // If the disk stands still for seconds.
    match refused.load(Ordering::Relaxed) {
        0 => {}
        refused => eprintln!("{refused} requests were refused; they are not counted"),
    }
    figures(&all, started.elapsed())
}

/// Figures of latencies in microseconds.
#[expect(clippy::cast_precision_loss, reason = "figures are small")]
pub fn figures(latencies: &Histogram<u64>, time: Duration) -> Figures {
    let count = latencies.len() as f64;
    Figures {
        count,
        per_second: count / time.as_secs_f64(),
        p50_ms: latencies.value_at_quantile(0.5) as f64 / 1000.0,
        p99_ms: latencies.value_at_quantile(0.99) as f64 / 1000.0,
    }
}

async fn client(
    address: SocketAddr,
    request: Vec<u8>,
    end: Instant,
    refused: Arc<AtomicU64>,
) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).expect("three digits are allowed");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let mut answer = vec![0; 4096];
    while Instant::now() < end {
        let asked = Instant::now();
        stream.write_all(&request).await.expect("a request");
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(read > 0, "the connection was closed");
        if !answer[..read].starts_with(b"HTTP/1.1 202") {
            refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let us = u64::try_from(asked.elapsed().as_micros()).expect("a short time");
        latencies.record(us).expect("a short time");
    }
    latencies
}

/// A body of about so many bytes, and its request.
fn request(number: usize, body_bytes: usize) -> Vec<u8> {
    let body = body(number, body_bytes);
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    format!(
        "POST /webhooks/default HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         x-webhook-hmac: {signature}\r\nx-webhook-hmac-algorithm: sha512\r\n\
         user-agent: WAHA/2026.4.1\r\nx-webhook-request-id: 18a767mkh37{number:03}\r\n\
         x-webhook-timestamp: 1794000000000\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn body(number: usize, body_bytes: usize) -> String {
    let fill = "x".repeat(body_bytes.saturating_sub(200));
    format!(
        r#"{{"id":"evt_01k9x7q2v5m8t4r6w3y1z0{number:04}","timestamp":1794000000000,"event":"message","session":"s","payload":{{"id":"false_12025550142@c.us_{number}","timestamp":1794000000,"from":"12025550142@c.us","body":"{fill}"}}}}"#
    )
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU seconds of a process so far (Linux: clock ticks of 10 ms).
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("procfs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks: f64 =
        fields[12].parse::<f64>().expect("ticks") + fields[13].parse::<f64>().expect("ticks");
    ticks / 100.0
}

/// The most memory a process ever had.
pub fn memory_mb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    let kilobytes: u64 =
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes / 1024
}

//! How fast queued webhooks become rows, beside bare multi-row upserts of the same rows. Prints
//! figures, asserts nothing.
//!
//! ```sh
//! tests/bench drain       # starts private servers; COUNT=100000 PEOPLE=250 CONCURRENCY=1
//!                         # ONLY=PostgreSQL CODEC=zstd
//! ```
//!
//! For each database: a made-up history waits on RabbitMQ, and one worker with the default settings
//! drains it. Then the rows are read back, the tables emptied, and the same rows, raw bodies included,
//! written by plain upserts: see `drain/bare.rs`.

#[path = "door/load.rs"]
#[expect(dead_code, reason = "shared with the other benchmark")]
mod load;

#[path = "drain/bare.rs"]
mod bare;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::webhook_events;
use sea_orm::{
    ColumnTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, PaginatorTrait,
    QuerySelect,
};
use tokio_util::sync::CancellationToken;
use waha_ingest::clock::{Clock, SystemClock};
use waha_ingest::config::Config;
use waha_ingest::metrics::worker::WorkerMetrics;
use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::simulate::{Plan, Sent, history};
use waha_ingest::store::{KeptFiles, Store, StoreOptions};
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::webhook::source::Source;
use waha_ingest::webhook::verify::{RawRequest, verify};
use waha_ingest::webhook::{Receipt, Webhook};
use waha_ingest::worker::{ByteBudget, Worker};

use load::{cpu_seconds, median, memory_mb, setting};

/// How long the broker still writes what it was sent: quorum queues move it from log to segments.
const BROKER_SETTLES: Duration = Duration::from_secs(10);

/// Rounds for each database; the median counts.
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let count = setting("COUNT").unwrap_or(100_000);
    println!("{count} webhooks, median of {ROUNDS} rounds");
    println!(
        "| database | work: webhooks/s | CPU s per 1,000 | bare upserts: webhooks/s | work / bare |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for name in ["SQLite", "PostgreSQL", "MariaDB"] {
        if setting("ONLY").is_none_or(|only: String| only == name) {
            row(name, count).await;
        }
    }
    println!("memory of this process, publisher included: {} MB", memory_mb(std::process::id()));
}

#[expect(clippy::cast_precision_loss, reason = "figures are small")]
async fn row(name: &str, count: usize) {
    let (mut work, mut cpu, mut bare) = (vec![], vec![], vec![]);
    for number in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let round = round(name, &database(name, number, folder.path()).await, number, count).await;
        work.push(count as f64 / round.work.as_secs_f64());
        cpu.push(round.cpu_seconds * 1000.0 / count as f64);
        bare.push(count as f64 / round.bare.as_secs_f64());
    }
    let [work, cpu, bare] = [work, cpu, bare].map(|figures| median(figures.into_iter()));
    let percent = 100.0 * work / bare;
    println!("| {name} | {work:.0} | {cpu:.2} | {bare:.0} | {percent:.0} % |");
}

/// What one round took.
struct Round {
    work: Duration,
    cpu_seconds: f64,
    bare: Duration,
}

async fn round(name: &str, url: &str, number: usize, count: usize) -> Round {
    let config = Config::load_defaults().expect("defaults");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = StoreOptions {
        url: url.to_owned(),
        replica: None,
        connections_max: 10,
        keeps_bodies: true,
        keeps_ephemeral_bodies: false,
        packs_bodies: std::env::var("CODEC").is_ok_and(|codec| codec == "zstd"),
        kept_files: KeptFiles::default(),
        notifies: false,
        moved_at_once: waha_ingest::store::MOVED_AT_ONCE,
    };
    let store = Arc::new(Store::open(&options, Arc::clone(&clock)).await.expect("a database"));
    migration::up(&store.connection()).await.expect("tables");
    let concurrency = setting("CONCURRENCY").unwrap_or(config.concurrency);
    // As `work` does.
    let prefetch = u16::try_from(config.batch_max * concurrency * 2).expect("a small number");
    let webhooks = webhooks(count);
    let prefix = format!("drain{number}.{name}.");
    let queue = Arc::new(filled_queue(prefix, &webhooks, prefetch).await);
    tokio::time::sleep(BROKER_SETTLES).await;
    let process = std::process::id();
    let (started, cpu) = (Instant::now(), cpu_seconds(process));
    let worker = Arc::new(Worker {
        queue: queue.clone(),
        store: Arc::clone(&store),
        clock,
        rules: config.rules,
        policy: config.retry,
        batch_max: config.batch_max,
        concurrency,
        budget: ByteBudget::new(
            config.batch_bytes_max,
            config.worker_memory_bytes_max,
            4 * concurrency,
        ),
        hold_max: config.hold_max,
        metrics: WorkerMetrics::new(),
        dependencies: Dependencies::new(),
    });
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    wait_until_drained(&store.connection(), count).await;
    let (work, cpu_seconds) = (started.elapsed(), cpu_seconds(process) - cpu);
    stop.cancel();
    working.await.expect("a worker");
    Round { work, cpu_seconds, bare: bare::upserts(&store.connection(), &webhooks).await }
}

fn webhooks(count: usize) -> Vec<Webhook> {
    let messages = u32::try_from(count).expect("a count");
    let people = setting("PEOPLE").unwrap_or(250);
    let plan = Plan { messages, sessions: 8, people, ..Plan::default() };
    history(&plan).take(count).map(|sent| webhook(&sent)).collect()
}

async fn filled_queue(prefix: String, webhooks: &[Webhook], prefetch: u16) -> RabbitmqQueue {
    let url = std::env::var("TEST_AMQP_URL").expect("tests/bench sets it");
    let mut options = Options::new(vec![url.into()]);
    options.prefix = prefix;
    options.prefetch = prefetch;
    let queue = RabbitmqQueue::open(options);
    for window in webhooks.chunks(256) {
        let publishes = window.iter().map(|webhook| queue.publish(webhook.clone()));
        for published in futures_util::future::join_all(publishes).await {
            published.expect("a confirm");
        }
    }
    queue
}

fn webhook(sent: &Sent) -> Webhook {
    let headers = [("x-webhook-timestamp".to_owned(), sent.at_ms.to_string())].into();
    let body = sent.body.clone().into();
    let request = RawRequest { hmac: None, hmac_algorithm: None, headers, body };
    let source = Source::unverified("default");
    verify(&source, request, Receipt::new(), SystemClock.now_ms()).expect("no signature").0
}

/// Waits until all are in the ledger. Counting costs the database; the highest id is at hand.
async fn wait_until_drained(db: &DatabaseConnection, count: usize) {
    use webhook_events::{Column, Entity};
    let count = u64::try_from(count).expect("a count");
    loop {
        let highest = Entity::find().select_only().column_as(Column::Id.max(), "id");
        let highest: Option<Option<i64>> = highest.into_tuple().one(db).await.expect("an id");
        let highest = highest.flatten().unwrap_or_default().unsigned_abs();
        if highest >= count && Entity::find().count(db).await.expect("a count") >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The URL of a new database.
async fn database(name: &str, number: usize, folder: &Path) -> String {
    let variable = match name {
        "PostgreSQL" => "TEST_POSTGRES_URL",
        "MariaDB" => "TEST_MYSQL_URL",
        _ => return format!("sqlite://{}?mode=rwc", folder.join("bench.db").display()),
    };
    let admin_url = std::env::var(variable).expect("tests/bench sets it");
    let admin = Database::connect(&admin_url).await.expect("a server");
    let name = format!("bench_drain_{number}");
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let (server, rest) = admin_url.rsplit_once('/').expect("a URL");
    let parameters = rest.split_once('?').map(|(_, p)| format!("?{p}")).unwrap_or_default();
    format!("{server}/{name}{parameters}")
}

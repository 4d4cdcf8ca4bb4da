//! How fast queued webhooks become rows, beside bare multi-row upserts of the same rows. Prints
//! figures, asserts nothing.
//!
//! ```sh
//! tests/bench drain       # starts private servers; COUNT=100000 PEOPLE=250 CONCURRENCY=1
//!                         # ONLY=PostgreSQL
//! ```
//!
//! For each database: a made-up history waits on RabbitMQ, and one worker with the default settings
//! drains it. Then the rows of the ledger (raw body included) and of the messages are read back, the
//! tables emptied, and the same rows written by plain upserts of 500 in one transaction each.

#[path = "door/load.rs"]
#[expect(dead_code, reason = "shared with the other benchmark")]
mod load;

use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::{waha_messages, webhook_events};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel,
    TransactionTrait,
};
use tokio_util::sync::CancellationToken;
use waha_ingest::clock::{Clock, SystemClock};
use waha_ingest::config::Config;
use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::simulate::{Plan, Sent, history};
use waha_ingest::store::{Store, StoreOptions};
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::telemetry::metrics::worker::WorkerMetrics;
use waha_ingest::webhook::source::Source;
use waha_ingest::webhook::verify::{RawRequest, verify};
use waha_ingest::webhook::{Receipt, Webhook};
use waha_ingest::worker::Worker;

use load::{cpu_seconds, memory_mb, setting};

/// Rows of one bare upsert, as many as the worker's batch.
const BATCH: usize = 500;

#[tokio::main]
async fn main() {
    let count = setting("COUNT").unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite = format!("sqlite://{}?mode=rwc", folder.path().join("bench.db").display());
    let server = |variable| std::env::var(variable).expect("tests/bench sets it");
    println!("{count} webhooks");
    println!(
        "| database | work: webhooks/s | CPU s per 1,000 | bare upserts: webhooks/s | work / bare |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for (name, url) in [
        ("SQLite", sqlite),
        ("PostgreSQL", on_server(&server("TEST_POSTGRES_URL")).await),
        ("MariaDB", on_server(&server("TEST_MYSQL_URL")).await),
    ] {
        if setting("ONLY").is_none_or(|only: String| only == name) {
            row(name, &url, count).await;
        }
    }
    println!("memory of this process, publisher included: {} MB", memory_mb());
}

async fn row(name: &str, url: &str, count: usize) {
    let config = Config::load_defaults().expect("defaults");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = StoreOptions {
        url: url.to_owned(),
        connections_max: 10,
        keeps_bodies: true,
        keeps_ephemeral_bodies: false,
    };
    let store = Arc::new(Store::open(&options, Arc::clone(&clock)).await.expect("a database"));
    migration::up(store.connection()).await.expect("tables");
    let queue = Arc::new(filled_queue(name, count).await);
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let worker = Arc::new(Worker {
        queue: queue.clone(),
        store: Arc::clone(&store),
        clock,
        rules: config.rules,
        policy: config.retry,
        batch_max: config.batch_max,
        concurrency: setting("CONCURRENCY").unwrap_or(config.concurrency),
        hold_max: config.hold_max,
        metrics: WorkerMetrics::new(),
        dependencies: Dependencies::new(),
    });
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let ledger = wait_until_drained(store.connection(), count).await;
    let (time, cpu) = (started.elapsed(), cpu_seconds() - cpu);
    stop.cancel();
    working.await.expect("a worker");
    let bare = bare_upserts(store.connection(), ledger).await;
    print(name, count, time, cpu, bare);
}

#[expect(clippy::cast_precision_loss, reason = "figures are small")]
fn print(name: &str, count: usize, time: Duration, cpu: f64, bare: Duration) {
    let per_second = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "| {name} | {:.0} | {:.2} | {:.0} | {:.0} % |",
        per_second(time),
        cpu * 1000.0 / count as f64,
        per_second(bare),
        100.0 * per_second(time) / per_second(bare)
    );
}

async fn filled_queue(name: &str, count: usize) -> RabbitmqQueue {
    let url = std::env::var("TEST_AMQP_URL").expect("tests/bench sets it");
    let mut options = Options::new(vec![url.into()]);
    options.prefix = format!("drain.{name}.");
    let queue = RabbitmqQueue::open(options);
    let messages = u32::try_from(count).expect("a count");
    let people = setting("PEOPLE").unwrap_or(250);
    let plan = Plan { messages, sessions: 8, people, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(count).collect();
    for window in webhooks.chunks(256) {
        let publishes = window.iter().map(|sent| queue.publish(webhook(sent)));
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

/// Returns the ledger once it holds everything.
async fn wait_until_drained(db: &DatabaseConnection, count: usize) -> Vec<webhook_events::Model> {
    use sea_orm::PaginatorTrait;
    loop {
        let rows = webhook_events::Entity::find().count(db).await.expect("a count");
        if usize::try_from(rows).expect("a count") >= count {
            return webhook_events::Entity::find().all(db).await.expect("rows");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes the same rows again with nothing around: how long it takes.
async fn bare_upserts(db: &DatabaseConnection, ledger: Vec<webhook_events::Model>) -> Duration {
    let messages = waha_messages::Entity::find().all(db).await.expect("rows");
    for table in ["webhook_duplicates", "webhook_events", "waha_messages"] {
        db.execute_unprepared(&format!("DELETE FROM {table}")).await.expect("an empty table");
    }
    let batches = ledger.len().div_ceil(BATCH);
    let per_batch = messages.len().div_ceil(batches);
    let mut messages = messages.into_iter().map(fresh::<_, waha_messages::ActiveModel>);
    let mut ledger = ledger.into_iter().map(fresh::<_, webhook_events::ActiveModel>);
    let started = Instant::now();
    for _ in 0..batches {
        let transaction = db.begin().await.expect("a transaction");
        let events: Vec<_> = ledger.by_ref().take(BATCH).collect();
        let told: Vec<_> = messages.by_ref().take(per_batch).collect();
        webhook_events::Entity::insert_many(events)
            .on_conflict(
                OnConflict::columns(["source", "session", "event_type", "webhook_id"])
                    .update_columns(["outcome", "processed_at"])
                    .to_owned(),
            )
            .exec_without_returning(&transaction)
            .await
            .expect("ledger rows");
        if !told.is_empty() {
            waha_messages::Entity::insert_many(told)
                .on_conflict(
                    OnConflict::columns(["session_id", "chat_id", "message_id"])
                        .update_columns(["content", "status", "updated_at"])
                        .to_owned(),
                )
                .exec_without_returning(&transaction)
                .await
                .expect("message rows");
        }
        transaction.commit().await.expect("a commit");
    }
    started.elapsed()
}

/// A row to be inserted, with a new id.
fn fresh<M, A>(model: M) -> A
where
    A: ActiveModelTrait,
    M: IntoActiveModel<A>,
{
    use sea_orm::Iterable;
    let mut row = model.into_active_model();
    for column in <A::Entity as EntityTrait>::Column::iter() {
        if sea_orm::IdenStatic::as_str(&column) == "id" {
            row.not_set(column);
        } else {
            row.reset(column);
        }
    }
    row
}

/// A new database on a server, whose URL names its administrator.
async fn on_server(admin_url: &str) -> String {
    let admin = Database::connect(admin_url).await.expect("a server");
    admin.execute_unprepared("CREATE DATABASE bench_drain").await.expect("a database");
    let (server, rest) = admin_url.rsplit_once('/').expect("a URL");
    let parameters = rest.split_once('?').map(|(_, p)| format!("?{p}")).unwrap_or_default();
    format!("{server}/bench_drain{parameters}")
}

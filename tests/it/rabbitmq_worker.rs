//! Workers on RabbitMQ: one that dies on a message, one whose database stays away, several at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;
use sea_orm::EntityTrait;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use waha_ingest::metrics::worker::WorkerMetrics;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::{BatchLimit, Delivery, Lane, Queue};
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::worker::{ByteBudget, Worker};

use crate::app::TestApp;
use crate::database::Kind;
use crate::proxy::Proxy;
use crate::rabbitmq_node::{message, options};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
/// How long a batch is held in these tests while the database is away.
const HOLD_MAX: Duration = Duration::from_secs(1);
const BAD: &str = "bad";

/// A process that dies closes its connection with everything in hand, as dropping the queue does.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_crashes_workers_is_a_dead_letter_and_no_other_is() {
    let options = options();
    let door = RabbitmqQueue::open(options.clone());
    for number in 0..30 {
        let id = if number == 10 { BAD.to_owned() } else { number.to_string() };
        door.publish(message(&id)).await.expect("publish");
    }
    let mut done = BTreeSet::new();
    let started = Instant::now();
    while !is_all_done(&door, &done).await {
        work_until_a_crash(&options, &door, &mut done, started).await;
    }
    let app = TestApp::start(Kind::Sqlite).await;
    let worker = worker(&app, door);
    let letters = until_a_dead_letter(&app, worker).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((&*letters[0].webhook_id, &*letters[0].reason), (BAD, "delivery_limit"));
}

/// Whether the others are processed and the bad one is given up.
async fn is_all_done(door: &RabbitmqQueue, done: &BTreeSet<String>) -> bool {
    done.len() == 29 && door.survey().await.expect("a survey").given_up > 0
}

/// Acks batches; dies with all in hand if the bad one is among them, and of nothing else: a suspect in
/// hand at any other death would be taken for its cause.
async fn work_until_a_crash(
    options: &Options,
    door: &RabbitmqQueue,
    done: &mut BTreeSet<String>,
    started: Instant,
) {
    let queue = RabbitmqQueue::open(options.clone());
    for lane in [Lane::Chats, Lane::Messages].into_iter().cycle() {
        if is_all_done(door, done).await {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "only {} of the others are processed", done.len());
        let wait = Duration::from_millis(300);
        let batch = queue.receive(lane, BatchLimit::of(50), wait).await.unwrap_or_default();
        let ids: BTreeSet<String> =
            batch.iter().map(|one| one.webhook().key().id.clone()).collect();
        if ids.contains(BAD) {
            // Not even dropped: a process that dies gives nothing back.
            std::mem::forget(batch);
            return;
        }
        queue.ack(batch).await.expect("ack");
        done.extend(ids);
    }
}

/// Whatever is in hand when the broker goes down comes back each time, and is no suspect for that.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_connection_brings_back_is_never_given_up() {
    let direct = options();
    let url = Url::parse(direct.urls[0].expose_secret()).unwrap();
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let proxy = Proxy::start(address.clone()).await;
    let proxied = url.as_str().replace(&address, &proxy.address.to_string());
    let queue = RabbitmqQueue::open(Options { urls: vec![proxied.into()], ..direct });
    queue.publish(message("ours")).await.expect("publish");
    let mut held = receive(&queue, 1).await;
    for _ in 0..10 {
        proxy.cut();
        held = receive(&queue, 1).await;
    }
    assert_eq!(held[0].attempt(), 1, "no attempt is used");
    queue.ack(held).await.expect("ack");
    // An end that the broker was not told before the connection broke leaves one more of it.
    wait_for("the end of all of it", PATIENCE, || async {
        let wait = Duration::from_millis(100);
        let more = queue.receive(Lane::Messages, BatchLimit::of(9), wait).await.unwrap_or_default();
        queue.ack(more).await.expect("ack");
        let more = queue.receive(Lane::Chats, BatchLimit::of(9), wait).await.unwrap_or_default();
        queue.ack(more).await.expect("ack");
        let survey = queue.survey().await.ok()?;
        assert_eq!(survey.given_up, 0);
        (survey.depth.total() == 0).then_some(())
    })
    .await;
}

/// A consumer that nobody asks gives back what it holds, long before the broker would cut it off.
#[tokio::test(flavor = "multi_thread")]
async fn consumption_is_given_up_and_taken_up_again() {
    let queue = RabbitmqQueue::open(Options { idle_max: Duration::from_secs(1), ..options() });
    for number in 0..20 {
        queue.publish(message(&number.to_string())).await.expect("publish");
    }
    for round in 0..6 {
        let mut held = receive(&queue, 1).await;
        if round > 0 {
            held.clear();
        }
        wait_for("consumption to be given up", PATIENCE, || async {
            let survey = queue.survey().await.expect("a survey");
            (survey.consumers == 0 && survey.depth.total() == 20).then_some(())
        })
        .await;
        // Too late: its channel is closed. It comes again.
        queue.ack(held).await.expect("no error");
    }
    let mut ids = BTreeSet::new();
    while ids.len() < 20 {
        let batch = receive(&queue, 20).await;
        assert!(batch.iter().all(|delivery| delivery.attempt() == 1), "no attempt is used");
        ids.extend(batch.iter().map(|one| one.webhook().key().id.clone()));
        queue.ack(batch).await.expect("ack");
    }
    assert_eq!(queue.survey().await.expect("a survey").given_up, 0);
}

/// At least one of either queue that messages may be in; a connection that breaks meanwhile is made again.
async fn receive(queue: &RabbitmqQueue, max: usize) -> Vec<Delivery> {
    wait_for("a delivery", PATIENCE, || async {
        let wait = Duration::from_millis(200);
        for lane in [Lane::Messages, Lane::Chats] {
            let batch = queue.receive(lane, BatchLimit::of(max), wait).await.unwrap_or_default();
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        None
    })
    .await
}

/// The database stays away longer than a batch is held.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_uses_no_attempt_and_buries_nothing() {
    let app = TestApp::start(Kind::Sqlite).await;
    let queue = RabbitmqQueue::open(options());
    for number in 0..20 {
        queue.publish(message(&number.to_string())).await.expect("publish");
    }
    // Without its tables the database refuses: an outage like any other.
    migration::down(app.db(), None).await.expect("down");
    let stop = CancellationToken::new();
    let worker = worker(&app, queue.clone());
    let working = tokio::spawn(Arc::new(worker).run(stop.clone()));
    let started = Instant::now();
    wait_for("the batch to be given back", PATIENCE, || async {
        (started.elapsed() > HOLD_MAX * 4).then_some(())
    })
    .await;
    migration::up(app.db()).await.expect("up");
    let rows = wait_for("all rows", PATIENCE, || async {
        let rows = entity::webhook_events::Entity::find().all(app.db()).await.unwrap();
        (rows.len() == 20).then_some(rows)
    })
    .await;
    let ends: Vec<_> = rows.iter().map(|row| (row.attempts, &row.outcome, &row.reason)).collect();
    assert!(ends.iter().all(|end| end.0 == 1 && end.1 != "dead_lettered"), "{ends:?}");
    stop.cancel();
    working.await.expect("the worker stops");
}

fn worker(app: &TestApp, queue: RabbitmqQueue) -> Worker {
    Worker {
        queue: Arc::new(queue),
        store: Arc::clone(&app.store),
        clock: app.clock.clone(),
        rules: app.worker.rules.clone(),
        policy: app.worker.policy.clone(),
        batch_max: 100,
        concurrency: 1,
        budget: ByteBudget::new(8 << 20, 64 << 20, 4),
        hold_max: HOLD_MAX,
        metrics: WorkerMetrics::new(),
        dependencies: Dependencies::new(),
    }
}

async fn until_a_dead_letter(app: &TestApp, worker: Worker) -> Vec<entity::dead_letters::Model> {
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::new(worker).run(stop.clone()));
    let letters = wait_for("a dead letter", PATIENCE, || async {
        let rows = entity::dead_letters::Entity::find().all(app.db()).await.unwrap();
        (!rows.is_empty()).then_some(rows)
    })
    .await;
    stop.cancel();
    working.await.expect("the worker stops");
    letters
}

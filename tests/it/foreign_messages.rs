//! Messages that somebody else puts into our queues on the broker: whatever they are, each ends, with
//! its body whole, and the lane goes on.

pub mod foreign;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::EntityTrait;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use waha_ingest::metrics::worker::WorkerMetrics;
use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::RabbitmqQueue;
use waha_ingest::retry::RetryPolicy;
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::worker::{ByteBudget, Worker};

use self::foreign::{body, channel, known, made_up, publish};
use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rabbitmq_node::{message, options};
use crate::wait::wait_for;

on_each_database!(whatever_arrives_ends_and_the_lane_goes_on);

/// Messages that are made up, beside those that are known to have stopped a lane.
const MADE_UP: usize = 150;
const PATIENCE: Duration = Duration::from_secs(120);

async fn whatever_arrives_ends_and_the_lane_goes_on(kind: Kind) {
    let app = TestApp::start(kind).await;
    let options = options();
    let queue = RabbitmqQueue::open(options.clone());
    wait_for("the queues", PATIENCE, || async { queue.survey().await.ok() }).await;
    let mut sent = known();
    sent.extend(made_up(MADE_UP, 1));
    let (_connection, channel) = channel(options.urls[0].expose_secret()).await;
    for (number, foreign) in sent.iter().enumerate() {
        publish(&channel, &options.prefix, number, foreign).await;
    }
    queue.publish(message("after")).await.expect("publish");

    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::new(worker(&app, queue.clone())).run(stop.clone()));
    wait_for("all to end", PATIENCE, || async {
        let survey = queue.survey().await.ok()?;
        (survey.depth.total() == 0 && survey.given_up == 0).then_some(())
    })
    .await;
    stop.cancel();
    working.await.expect("the worker stops");

    let webhooks = entity::webhook_events::Entity::find().all(app.db()).await.unwrap();
    let after = webhooks.iter().find(|row| row.webhook_id == "after").expect("the lane goes on");
    assert_eq!(after.outcome, "applied");
    let letters = entity::dead_letters::Entity::find().all(app.db()).await.unwrap();
    let bodies: BTreeSet<Vec<u8>> = letters.iter().map(|letter| letter.body.clone()).collect();
    for (number, foreign) in sent.iter().enumerate() {
        assert!(bodies.contains(&body(number, foreign)), "no letter has the body of {foreign:?}");
    }
    let ended = webhooks.iter().filter(|row| row.outcome == "dead_lettered").count();
    assert_eq!((ended, letters.len()), (sent.len(), sent.len()), "each once");
    let noted = letters.iter().filter(|letter| letter.headers.contains("from the billing system"));
    assert_eq!(noted.count(), 1, "the headers are whole");
}

fn worker(app: &TestApp, queue: RabbitmqQueue) -> Worker {
    Worker {
        queue: Arc::new(queue),
        store: Arc::clone(&app.store),
        clock: app.clock.clone(),
        rules: app.worker.rules.clone(),
        // What is refused for an unknown reason does not climb the ladder for hours.
        policy: RetryPolicy { delays: Vec::new(), jitter: 0.0 },
        batch_max: 100,
        concurrency: 1,
        budget: ByteBudget::new(8 << 20, 64 << 20, 4),
        hold_max: Duration::from_secs(1),
        metrics: WorkerMetrics::new(),
        dependencies: Dependencies::new(),
    }
}

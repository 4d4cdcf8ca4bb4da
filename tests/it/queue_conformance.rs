//! What every queue must do: the contract written on `Queue`, one check for each sentence.
//!
//! A queue joins with a [`Harness`] and one line, `every_check!(start)`, in a file of its own beside
//! its own checks. Nothing here sleeps: it waits for conditions, up to [`LIMIT`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use waha_ingest::queue::{
    BatchLimit, Delivery, Depth, Failure, Hastened, Lane, Queue, RetryChoice, WaitingRetry,
};
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

/// How long a condition may take to come true before the check fails.
const LIMIT: Duration = Duration::from_secs(30);

/// Delay of a retry that does not pass while a check runs.
const LONG_DELAY: Duration = Duration::from_mins(10);

/// A queue under test, empty at first.
trait Harness {
    /// Whether it knows since when webhooks wait that nobody has in hand.
    const KNOWS_AGE: bool = true;

    fn queue(&self) -> Arc<dyn Queue>;

    /// Delay of a retry that a check can afford: long enough not to pass by itself.
    fn delay(&self) -> Duration;

    /// Makes `time` pass for the queue.
    async fn pass(&mut self, time: Duration);

    /// Closes it and opens it again on what it stored. The check must hold no other handle.
    async fn reopen(&mut self);
}

macro_rules! tests {
    ($start:path: $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check($start()).await;
            }
        )*
    };
}

/// A test of each check for the harness that `$start` makes.
macro_rules! every_check {
    ($start:path) => {
        tests!($start:
            what_comes_out_is_what_went_in
            concurrent_publishers_lose_nothing
            competing_receivers_get_each_once
            lanes_are_independent
            order_is_roughly_kept
            a_batch_keeps_to_its_bytes
            an_empty_lane_gives_nothing
            a_waiting_receiver_is_woken
            a_receive_that_is_dropped_loses_nothing
            ack_forgets
            drop_hands_out_again_without_a_failure
            retry_hands_out_later_with_the_failure
            failures_add_up
            what_waits_is_looked_at_and_tried_now
            depth_is_right_at_each_stage
            reopening_keeps_what_waits
        );
    };
}

mod rabbitmq;
mod sqlite;

// --- checks --------------------------------------------------------------------------------------

async fn what_comes_out_is_what_went_in(harness: impl Harness) {
    let queue = harness.queue();
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let bodies = [Vec::new(), vec![0; 3], b"\xff\xfe\x80 {".to_vec(), every_byte, large_body()];
    // Each has a text one character longer, up to where a queue may have to keep it elsewhere.
    let more = std::iter::repeat_n(Vec::new(), 255);
    let mut published = BTreeMap::new();
    for (number, body) in bodies.into_iter().chain(more).enumerate() {
        let webhook = odd_webhook(number, body.into());
        published.insert(webhook.key().id.clone(), webhook.clone());
        queue.publish(webhook).await.expect("publish");
    }
    for delivery in receive(&*queue, Lane::Messages, published.len()).await {
        let id = &delivery.webhook().key().id;
        // Not assert_eq: on a failure that would print 8 MiB.
        assert!(published.get(id) == Some(delivery.webhook()), "{id:?} came out changed");
        assert_eq!(delivery.attempt(), 1);
    }
}

async fn concurrent_publishers_lose_nothing(harness: impl Harness) {
    let queue = harness.queue();
    let mut publishers = JoinSet::new();
    for publisher in 0..64 {
        let queue = harness.queue();
        publishers.spawn(async move {
            for number in 0..20 {
                let webhook = message(&format!("{publisher}-{number}"));
                queue.publish(webhook).await.expect("publish");
            }
        });
    }
    publishers.join_all().await;
    let deliveries = receive(&*queue, Lane::Messages, 64 * 20).await;
    assert_eq!(ids(&deliveries).len(), 64 * 20, "each once");
}

async fn competing_receivers_get_each_once(harness: impl Harness) {
    let queue = harness.queue();
    publish_numbered(&*queue, 400).await;
    let mut receivers = JoinSet::new();
    for _ in 0..8 {
        let queue = harness.queue();
        receivers.spawn(async move { receive(&*queue, Lane::Messages, 50).await });
    }
    let hands = receivers.join_all().await;
    let all: BTreeSet<String> = hands.iter().flat_map(|hand| ids(hand)).collect();
    assert_eq!(all.len(), 400, "no two hold the same one");
    assert_nothing(&*queue, Lane::Messages).await;
}

async fn lanes_are_independent(harness: impl Harness) {
    let queue = harness.queue();
    for event_type in ["session.status", "message", "call.received", "group.v2.join"] {
        queue.publish(webhook(event_type, event_type)).await.expect("publish");
    }
    let held = receive(&*queue, Lane::Chats, 1).await;
    assert_eq!(ids(&held), ["group.v2.join".to_owned()].into());
    for (lane, id) in [
        (Lane::Calls, "call.received"),
        (Lane::Messages, "message"),
        (Lane::Sessions, "session.status"),
    ] {
        let deliveries = receive(&*queue, lane, 1).await;
        assert_eq!(ids(&deliveries), [id.to_owned()].into());
        queue.ack(deliveries).await.expect("ack");
        assert_nothing(&*queue, lane).await;
    }
}

async fn order_is_roughly_kept(harness: impl Harness) {
    const BATCH: usize = 10;
    let queue = harness.queue();
    publish_numbered(&*queue, 100).await;
    let mut place = 0;
    while place < 100 {
        let deliveries = receive(&*queue, Lane::Messages, BATCH).await;
        for delivery in &deliveries {
            let number: usize = delivery.webhook().key().id.parse().expect("a number");
            assert!(number.abs_diff(place) <= BATCH, "{number} came at place {place}");
            place += 1;
        }
        queue.ack(deliveries).await.expect("ack");
    }
}

async fn a_batch_keeps_to_its_bytes(harness: impl Harness) {
    let queue = harness.queue();
    let limit = BatchLimit { count_max: 100, bytes_max: 3000 };
    let odd_ones = [1000, 1000, 1000, 1, 3001, 0, 3000, 9000, 1000, 1000];
    // So many that some are there together, however they arrive.
    let sizes: Vec<usize> = odd_ones.into_iter().chain(std::iter::repeat_n(100, 100)).collect();
    for (number, size) in sizes.iter().copied().enumerate() {
        queue
            .publish(with_body(&number.to_string(), vec![b'x'; size].into()))
            .await
            .expect("publish");
    }
    depth_reaches(&*queue, sizes.len() as u64, 0, |_| true).await;
    let mut batches = Vec::new();
    let mut count = 0;
    while count < sizes.len() {
        let wait = Duration::from_secs(1);
        let batch = queue.receive(Lane::Messages, limit, wait).await.expect("receive");
        let bytes: usize = batch.iter().map(|delivery| delivery.webhook().body().len()).sum();
        assert!(bytes <= 3000 || batch.len() == 1, "{} in {bytes} bytes", batch.len());
        count += batch.len();
        batches.push(batch);
    }
    assert!(batches.iter().any(|batch| batch.len() > 1), "small ones come together");
    let received: BTreeSet<String> = batches.iter().flat_map(|batch| ids(batch)).collect();
    assert_eq!(received.len(), sizes.len(), "each once");
}

async fn an_empty_lane_gives_nothing(harness: impl Harness) {
    let queue = harness.queue();
    let deliveries =
        queue.receive(Lane::Messages, BatchLimit::of(10), Duration::from_millis(20)).await;
    assert!(deliveries.expect("receive").is_empty());
    publish_numbered(&*queue, 1).await;
    let deliveries = queue.receive(Lane::Messages, BatchLimit::of(0), Duration::ZERO).await;
    assert!(deliveries.expect("receive").is_empty(), "no more than asked for");
}

async fn a_waiting_receiver_is_woken(harness: impl Harness) {
    let queue = harness.queue();
    let waiting = tokio::spawn(async move {
        queue.receive(Lane::Messages, BatchLimit::of(10), 2 * LIMIT).await.expect("receive")
    });
    let queue = harness.queue();
    assert_nothing(&*queue, Lane::Messages).await;
    publish_numbered(&*queue, 1).await;
    let deliveries = within(waiting).await.expect("the receiver ends");
    assert_eq!(deliveries.len(), 1);
}

async fn a_receive_that_is_dropped_loses_nothing(harness: impl Harness) {
    let queue = harness.queue();
    let mut missing = BTreeSet::new();
    for number in 0..50 {
        let receive = queue.receive(Lane::Messages, BatchLimit::of(10), LIMIT);
        // The publish wakes the receiver, which is dropped at any point on its way.
        tokio::select! {
            biased;
            deliveries = receive => drop(deliveries),
            published = queue.publish(message(&number.to_string())) => {
                published.expect("publish");
                missing.insert(number.to_string());
            }
        }
    }
    let mut received = Vec::new();
    while !missing.is_empty() {
        received.extend(receive(&*queue, Lane::Messages, 1).await);
        missing = &missing - &ids(&received);
    }
}

async fn ack_forgets(mut harness: impl Harness) {
    let queue = harness.queue();
    publish_numbered(&*queue, 20).await;
    let mut deliveries = receive(&*queue, Lane::Messages, 20).await;
    let kept = deliveries.split_off(15);
    let kept_ids = ids(&kept);
    queue.ack(deliveries).await.expect("ack");
    drop((kept, queue));
    harness.reopen().await;
    let queue = harness.queue();
    let deliveries = receive(&*queue, Lane::Messages, 5).await;
    assert_eq!(ids(&deliveries), kept_ids);
    queue.ack(deliveries).await.expect("ack");
    assert_nothing(&*queue, Lane::Messages).await;
    depth_becomes(&*queue, 0, 0, None).await;
}

async fn drop_hands_out_again_without_a_failure(harness: impl Harness) {
    let queue = harness.queue();
    publish_numbered(&*queue, 20).await;
    let deliveries = receive(&*queue, Lane::Messages, 20).await;
    assert_nothing(&*queue, Lane::Messages).await;
    drop(deliveries);
    let again = receive(&*queue, Lane::Messages, 20).await;
    assert_eq!(ids(&again).len(), 20);
    assert!(again.iter().all(|delivery| delivery.attempt() == 1));
}

async fn retry_hands_out_later_with_the_failure(mut harness: impl Harness) {
    let (queue, delay) = (harness.queue(), harness.delay());
    publish_numbered(&*queue, 1).await;
    let published = retry_one(&*queue, delay, "first").await;
    assert_nothing(&*queue, Lane::Messages).await;
    harness.pass(delay).await;
    let deliveries = receive(&*queue, Lane::Messages, 1).await;
    assert_eq!(deliveries[0].webhook(), &published);
    assert_eq!(deliveries[0].failures(), [failure("first")]);
    assert_eq!(deliveries[0].attempt(), 2);
}

async fn failures_add_up(mut harness: impl Harness) {
    let (queue, delay) = (harness.queue(), harness.delay());
    publish_numbered(&*queue, 1).await;
    let errors = ["first", "second \u{0} \"quoted\"", "third"];
    for error in errors {
        retry_one(&*queue, delay, error).await;
        harness.pass(delay).await;
    }
    let deliveries = receive(&*queue, Lane::Messages, 1).await;
    assert_eq!(deliveries[0].failures(), errors.map(failure));
    // Neither being handed out nor being dropped changes the list.
    drop(deliveries);
    let deliveries = receive(&*queue, Lane::Messages, 1).await;
    assert_eq!(deliveries[0].attempt(), 4);
}

/// Looking changes nothing, however often, and what is tried now keeps its failures.
async fn what_waits_is_looked_at_and_tried_now(harness: impl Harness) {
    let queue = harness.queue();
    publish_numbered(&*queue, 5).await;
    for delivery in receive(&*queue, Lane::Messages, 5).await {
        queue.retry(delivery, failure("first"), LONG_DELAY).await.expect("retry");
    }
    for _ in 0..12 {
        let seen = queue.retrying(100).await.expect("a look");
        let ids: BTreeSet<&str> = seen.webhooks.iter().map(|it| it.key.id.as_str()).collect();
        assert_eq!((ids, seen.unseen), (["0", "1", "2", "3", "4"].into(), 0));
        let is_whole =
            |it: &WaitingRetry| it.failures == [failure("first")] && it.due_at_ms.is_some();
        assert!(seen.webhooks.iter().all(is_whole), "{seen:?}");
        assert_nothing(&*queue, Lane::Messages).await;
    }
    let few = queue.retrying(2).await.expect("a look");
    assert_eq!((few.webhooks.len(), few.unseen), (2, 3));
    let one: RetryChoice = Arc::new(|waiting| waiting.key.id == "3");
    assert_eq!(hasten(&*queue, one).await, Hastened { count: 1, unseen: 0 });
    come_with_their_failure(&*queue, 1).await;
    assert_eq!(hasten(&*queue, Arc::new(|_| true)).await, Hastened { count: 4, unseen: 0 });
    come_with_their_failure(&*queue, 4).await;
    depth_becomes(&*queue, 0, 0, None).await;
}

async fn hasten(queue: &dyn Queue, choice: RetryChoice) -> Hastened {
    queue.retry_now(choice, 100).await.expect("retry now")
}

async fn come_with_their_failure(queue: &dyn Queue, count: usize) {
    let came = receive(queue, Lane::Messages, count).await;
    assert!(came.iter().all(|delivery| delivery.failures() == [failure("first")]));
    assert_nothing(queue, Lane::Messages).await;
    queue.ack(came).await.expect("ack");
}

async fn depth_is_right_at_each_stage<H: Harness>(mut harness: H) {
    let (queue, delay) = (harness.queue(), harness.delay());
    let is_right = |oldest| !H::KNOWS_AGE || oldest == Some(RECEIVED_AT_MS);
    depth_becomes(&*queue, 0, 0, None).await;
    publish_numbered(&*queue, 3).await;
    depth_reaches(&*queue, 3, 0, is_right).await;
    let mut deliveries = receive(&*queue, Lane::Messages, 3).await;
    depth_reaches(&*queue, 3, 0, is_right).await;
    let last = deliveries.pop().expect("three");
    queue.retry(last, failure("first"), delay).await.expect("retry");
    depth_reaches(&*queue, 2, 1, is_right).await;
    queue.ack(deliveries).await.expect("ack");
    depth_becomes(&*queue, 0, 1, None).await;
    harness.pass(delay).await;
    depth_reaches(&*queue, 1, 0, is_right).await;
    let deliveries = receive(&*queue, Lane::Messages, 1).await;
    queue.ack(deliveries).await.expect("ack");
    depth_becomes(&*queue, 0, 0, None).await;
}

async fn reopening_keeps_what_waits(mut harness: impl Harness) {
    let (queue, delay) = (harness.queue(), harness.delay());
    publish_numbered(&*queue, 10).await;
    let retried = retry_one(&*queue, delay, "first").await;
    let in_hand = receive(&*queue, Lane::Messages, 4).await;
    drop(queue);
    harness.reopen().await;
    drop(in_hand);
    harness.pass(delay).await;
    let deliveries = receive(&*harness.queue(), Lane::Messages, 10).await;
    assert_eq!(ids(&deliveries).len(), 10, "also those that were in hand");
    for delivery in deliveries {
        let attempt = if *delivery.webhook() == retried { 2 } else { 1 };
        assert_eq!(delivery.attempt(), attempt);
    }
}

// --- words the checks are written in -------------------------------------------------------------

/// When every webhook of these checks was received.
const RECEIVED_AT_MS: i64 = 1_750_000_000_250;

fn webhook(event_type: &str, id: &str) -> Webhook {
    WebhookParts {
        key: WebhookKey {
            source: "berlin".to_owned(),
            session: "support".to_owned(),
            event_type: event_type.to_owned(),
            id: id.to_owned(),
        },
        receipt: Receipt::new(),
        at_ms: 1_750_000_000_000,
        received_at_ms: RECEIVED_AT_MS,
        replay: false,
        headers: [("x-webhook-request-id".to_owned(), format!("request {id}"))].into(),
        body: Bytes::from(format!("{{\"event\":\"{event_type}\",\"id\":\"{id}\"}}")),
    }
    .into()
}

fn message(id: &str) -> Webhook {
    webhook("message", id)
}

fn with_body(id: &str, body: Bytes) -> Webhook {
    changed(&message(id), |parts| parts.body = body)
}

fn changed(webhook: &Webhook, change: impl FnOnce(&mut WebhookParts)) -> Webhook {
    let mut parts = WebhookParts {
        key: webhook.key().clone(),
        receipt: webhook.receipt(),
        at_ms: webhook.at_ms(),
        received_at_ms: webhook.received_at_ms(),
        replay: webhook.is_replay(),
        headers: webhook.headers().clone(),
        body: webhook.body().clone(),
    };
    change(&mut parts);
    parts.into()
}

/// Everything about it is at an edge of what is allowed.
fn odd_webhook(number: usize, body: Bytes) -> Webhook {
    let odd_text = "a\u{0}b \"c\" \\ \u{1f9c2} \u{feff}";
    let long_text = "x".repeat(number);
    WebhookParts {
        key: WebhookKey {
            source: "berlin".to_owned(),
            session: format!("{odd_text}{long_text}"),
            event_type: "message.any".to_owned(),
            id: format!("{odd_text} {number}"),
        },
        receipt: Receipt(if number == 0 { i64::MIN } else { -1 }),
        at_ms: i64::MAX,
        received_at_ms: -1,
        replay: number == 1,
        headers: [("x-empty", ""), ("x-odd", odd_text), ("x-long", &long_text), ("", "no name")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body,
    }
    .into()
}

fn large_body() -> Vec<u8> {
    (0..8 << 20).map(|at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn failure(error: &str) -> Failure {
    Failure { at_ms: RECEIVED_AT_MS + 1, error: error.to_owned() }
}

/// Messages whose ids are their places.
async fn publish_numbered(queue: &dyn Queue, count: usize) {
    for number in 0..count {
        queue.publish(message(&number.to_string())).await.expect("publish");
    }
}

/// Receives one message, counts a failure; says which webhook it was.
async fn retry_one(queue: &dyn Queue, delay: Duration, error: &str) -> Webhook {
    let delivery = receive(queue, Lane::Messages, 1).await.pop().expect("one");
    let webhook = delivery.webhook().clone();
    queue.retry(delivery, failure(error), delay).await.expect("retry");
    webhook
}

/// Receives exactly `count`, in as many batches as it takes.
async fn receive(queue: &dyn Queue, lane: Lane, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    let started = Instant::now();
    while deliveries.len() < count {
        assert!(started.elapsed() < LIMIT, "only {} of {count} came", deliveries.len());
        let wait = Duration::from_secs(1);
        let limit = BatchLimit::of(count - deliveries.len());
        deliveries.extend(queue.receive(lane, limit, wait).await.expect("receive"));
    }
    assert_eq!(deliveries.len(), count, "no more than asked for");
    deliveries
}

/// Nothing of the lane can be received.
async fn assert_nothing(queue: &dyn Queue, lane: Lane) {
    let deliveries =
        queue.receive(lane, BatchLimit::of(10), Duration::from_millis(50)).await.expect("receive");
    assert_eq!(ids(&deliveries), BTreeSet::new());
}

fn ids(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery.webhook().key().id.clone()).collect()
}

/// Waits until the messages lane has this depth and the others have none.
async fn depth_becomes(queue: &dyn Queue, ready: u64, retrying: u64, oldest: Option<i64>) {
    depth_reaches(queue, ready, retrying, |found| found == oldest).await;
}

async fn depth_reaches(
    queue: &dyn Queue,
    ready: u64,
    retrying: u64,
    is_oldest: impl Fn(Option<i64>) -> bool,
) {
    let started = Instant::now();
    loop {
        let depth = queue.depth().await.expect("depth");
        let messages = depth.lanes.iter().find(|lane| lane.lane == Lane::Messages).expect("a lane");
        let found = (messages.ready, messages.retrying);
        let is_right = found == (ready, retrying) && is_oldest(messages.oldest_received_at_ms);
        if is_right && is_well_formed(&depth, ready + retrying) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "the depth stays {depth:?}");
        tokio::task::yield_now().await;
    }
}

fn is_well_formed(depth: &Depth, total: u64) -> bool {
    let lanes: Vec<Lane> = depth.lanes.iter().map(|lane| lane.lane).collect();
    lanes == Lane::ALL && depth.total() == total
}

/// The output of something that must end by itself.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

//! The queues in which webhooks wait for their next attempt, and what somebody else puts into them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use secrecy::ExposeSecret;
use waha_ingest::clock::{Clock, SystemClock};
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::{BatchLimit, Delivery, Failure, Hastened, Lane, Queue, RetryChoice};

use crate::foreign_messages::foreign::channel;
use crate::rabbitmq_node::{message, options};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const RUNG: Duration = Duration::from_millis(500);
const BODIES: [&[u8]; 2] = [b"stays for ever", b"stays for a day"];

/// A quorum queue lets nothing go that is behind what stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_puts_into_a_retry_queue_holds_up_nothing() {
    let options = Options { rungs: vec![RUNG], ..options() };
    let queue = RabbitmqQueue::open(options.clone());
    queue.publish(message("ours")).await.expect("publish");
    let ours = wait_for("ours", PATIENCE, || async { receive(&queue).await.pop() }).await;
    put_foreign(&options, "retry.messages.500").await;
    let failure = Failure { at_ms: 1, error: "no".to_owned() };
    queue.retry(ours, failure, RUNG).await.expect("retry");
    // A worker that died after it had published the first and before it acked it leaves two of it.
    put_foreign(&options, "messages").await;

    let seen = RefCell::new(BTreeMap::<Vec<u8>, Vec<i64>>::new());
    let is_told = RefCell::new(false);
    wait_for("all of them", PATIENCE, || async {
        let depth = queue.depth().await.expect("a depth");
        let late = depth.lanes[Lane::Messages as usize].retries_late.expect("it looks after them");
        *is_told.borrow_mut() |= !late.is_zero();
        for delivery in receive(&queue).await {
            let (body, receipt) =
                (delivery.webhook().body().to_vec(), delivery.webhook().receipt());
            seen.borrow_mut().entry(body).or_default().push(receipt.0);
            queue.ack(vec![delivery]).await.expect("ack");
        }
        (seen.borrow().values().map(Vec::len).sum::<usize>() == 5).then_some(())
    })
    .await;
    let seen = seen.into_inner();
    for body in BODIES {
        let receipts = &seen[body];
        assert_eq!((receipts.len(), receipts[0]), (2, receipts[1]), "one receipt: it counts once");
    }
    assert!(*is_told.borrow(), "nothing was told");
    let depth = queue.survey().await.expect("a survey").depth;
    assert_eq!(depth.total(), 0);
    let door = RabbitmqQueue::open(options);
    let told = wait_for("a depth", PATIENCE, || async { door.depth().await.ok() }).await;
    assert_eq!(told.lanes[0].retries_late, None, "a door does not look after them");
}

/// Without an expiration, and with one that is far too long.
async fn put_foreign(options: &Options, queue: &str) {
    let (_connection, channel) = channel(options.urls[0].expose_secret()).await;
    let queue = format!("{}waha.{queue}", options.prefix);
    let plain = BasicProperties::default().with_delivery_mode(2);
    let a_day = plain.clone().with_expiration("86400000".into());
    for (body, properties) in BODIES.into_iter().zip([plain, a_day]) {
        let mandatory = BasicPublishOptions { mandatory: true, immediate: false };
        let to = queue.as_str().into();
        let publish = channel.basic_publish("".into(), to, mandatory, body, properties);
        let confirm = publish.await.unwrap().await.unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none(), "it is queued");
    }
}

async fn receive(queue: &RabbitmqQueue) -> Vec<Delivery> {
    let wait = Duration::from_millis(50);
    queue.receive(Lane::Messages, BatchLimit::of(100), wait).await.expect("receive")
}

/// The broker counts how often a message went back. That must not make a suspect of what was looked at, nor let
/// it go before its time; and who looks is seen by `status`.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_looked_at_often_comes_by_its_lane_in_its_time() {
    let wait = Duration::from_secs(5);
    let options = Options { rungs: vec![wait], ..options() };
    let queue = RabbitmqQueue::open(options.clone());
    queue.publish(message("ours")).await.expect("publish");
    let ours = wait_for("ours", PATIENCE, || async { receive(&queue).await.pop() }).await;
    let failure = Failure { at_ms: 1, error: "no".to_owned() };
    queue.retry(ours, failure, wait).await.expect("retry");
    let due_at_ms = queue.retrying(10).await.expect("a look").webhooks[0].due_at_ms.unwrap();
    for _ in 0..15 {
        let seen = queue.retrying(10).await.expect("a look").webhooks;
        let late = seen.first().map(|it| it.due_at_ms.unwrap().abs_diff(due_at_ms));
        assert!(late.is_none_or(|late| late < 1_000), "{late:?}");
    }
    // From its lane, and not from where suspects are processed alone.
    let came = wait_for("it", PATIENCE, || async { receive(&queue).await.pop() }).await;
    assert!(SystemClock.now_ms() >= due_at_ms - 1_000, "it came before its time");
    assert_eq!(came.failures().len(), 1);
    queue.ack(vec![came]).await.expect("ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_what_waits_is_counted_as_a_consumer() {
    let options = Options { rungs: vec![Duration::from_mins(10)], ..options() };
    let queue = RabbitmqQueue::open(options.clone());
    queue.publish(message("ours")).await.expect("publish");
    let ours = wait_for("ours", PATIENCE, || async { receive(&queue).await.pop() }).await;
    let failure = Failure { at_ms: 1, error: "no".to_owned() };
    queue.retry(ours, failure, Duration::from_mins(10)).await.expect("retry");
    let before = queue.survey().await.expect("a survey");
    assert_eq!(before.depth.lanes[Lane::Messages as usize].retrying, 1);
    // As a look that is stopped in the middle.
    let (_connection, channel) = channel(options.urls[0].expose_secret()).await;
    let waiting = format!("{}waha.retry.messages.600000", options.prefix);
    let consume = BasicConsumeOptions::default();
    let _consumer = channel
        .basic_consume(waiting.into(), "".into(), consume, FieldTable::default())
        .await
        .unwrap();
    wait_for("it to be in hand", PATIENCE, || async {
        let now = queue.survey().await.expect("a survey");
        let is_in_hand = now.depth.lanes[Lane::Messages as usize].retrying == 0;
        is_in_hand.then(|| assert_eq!(now.consumers, before.consumers + 1))
    })
    .await;
}

/// However many wait, a look at the first of them is short, and all are moved at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_some_are_seen_soon_and_all_are_tried_now() {
    const MANY: usize = 10_000;
    /// Of a machine that has much else to do; it takes a fraction of it.
    const SOON: Duration = Duration::from_secs(10);
    let wait = Duration::from_hours(1);
    let options = Options { rungs: vec![wait], bytes_max: 1 << 30, ..options() };
    let queue = RabbitmqQueue::open(options);
    for chunk in (0..MANY).collect::<Vec<_>>().chunks(500) {
        let all = chunk.iter().map(|number| queue.publish(message(&number.to_string())));
        try_join_all(all).await.expect("publish");
    }
    let failure = || Failure { at_ms: 1, error: "no".to_owned() };
    let mut left = MANY;
    while left > 0 {
        let batch = receive(&queue).await;
        left -= batch.len();
        let retries = batch.into_iter().map(|delivery| queue.retry(delivery, failure(), wait));
        try_join_all(retries).await.expect("retry");
    }
    waits(&queue, 0, MANY).await;

    let began = Instant::now();
    let few = queue.retrying(50).await.expect("a look");
    assert_eq!((few.webhooks.len(), few.unseen), (50, MANY as u64 - 50));
    assert!(began.elapsed() < SOON, "a look took {:?}", began.elapsed());
    let choice = |chosen: &'static str| -> RetryChoice {
        Arc::new(move |waiting| waiting.key.id.starts_with(chosen))
    };
    // Those with a name are looked for among all, and the others stay where they are.
    let named = queue.retry_now(choice("777"), MANY).await.expect("retry now");
    assert_eq!(named, Hastened { count: 11, unseen: 0 });
    waits(&queue, 11, MANY - 11).await;
    let all = queue.retry_now(choice(""), MANY).await.expect("retry now");
    assert_eq!(all, Hastened { count: MANY as u64 - 11, unseen: 0 });
    waits(&queue, MANY, 0).await;
    let mut came = BTreeSet::new();
    while came.len() < MANY {
        for delivery in receive(&queue).await {
            assert_eq!(delivery.failures(), [failure()]);
            assert!(came.insert(delivery.webhook().key().id.clone()), "it came twice");
            queue.ack(vec![delivery]).await.expect("ack");
        }
    }
    waits(&queue, 0, 0).await;
}

async fn waits(queue: &RabbitmqQueue, ready: usize, retrying: usize) {
    wait_for("a depth", PATIENCE, || async {
        let lane = &queue.depth().await.expect("a depth").lanes[Lane::Messages as usize];
        ((lane.ready, lane.retrying) == (ready as u64, retrying as u64)).then_some(())
    })
    .await;
}

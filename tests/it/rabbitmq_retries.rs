//! The queues in which webhooks wait for their next attempt, and what somebody else puts into them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use secrecy::ExposeSecret;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::{BatchLimit, Delivery, Failure, Lane, Queue};

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

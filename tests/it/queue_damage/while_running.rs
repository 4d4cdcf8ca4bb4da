//! Damage that is met in the middle of the work, not at start.

use std::time::Duration;

use rusqlite::Connection;
use waha_ingest::queue::sqlite::SqliteQueue;
use waha_ingest::queue::{BatchLimit, Lane, Queue};

use super::file::{Outcome, PAGE, QueueFile, WEBHOOKS, webhook, work_off};
use crate::wait::wait_for;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_lane_goes_on_without_a_restart() {
    let file = QueueFile::filled().await;
    let leaves = file.pages("webhooks", "leaf");
    for page in [leaves[leaves.len() / 2], leaves[leaves.len() / 3]] {
        file.zero_page(page);
    }
    // Opening alone does not look that far.
    let queue = SqliteQueue::open(file.path(), QueueFile::options()).unwrap();
    let held = queue.receive(Lane::Messages, BatchLimit::of(50), Duration::ZERO).await.unwrap();
    assert_eq!(held.len(), 50);
    let mut outcome = Outcome::default();
    for delivery in &held {
        outcome.applied.insert(delivery.webhook().key().id.clone(), 1);
    }
    let status = SqliteQueue::open(file.path(), QueueFile::options()).unwrap();
    work_off(&queue, &mut outcome).await;
    assert_eq!(outcome.waiting, 50, "what was in hand stays there");
    queue.ack(held).await.unwrap();
    queue.publish(webhook(WEBHOOKS)).await.unwrap();
    work_off(&queue, &mut outcome).await;
    outcome.assert_whole(WEBHOOKS + 1, "while it runs");
    assert!((1..=8).contains(&outcome.missing), "{}", outcome.missing);
    assert_eq!(file.kept().len(), 1);
    // Another process that has the file open sees the mended one.
    let seen = status.census().await.unwrap();
    assert_eq!((seen.accepted, seen.waiting), (WEBHOOKS as u64 + 1, 0));
    status.publish(webhook(WEBHOOKS + 1)).await.unwrap();
    work_off(&queue, &mut outcome).await;
    outcome.assert_whole(WEBHOOKS + 2, "by another process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_costs_one_webhook_and_no_status() {
    let file = QueueFile::new();
    let queue = file.open();
    for number in 0..6 {
        queue.publish(webhook(number)).await.unwrap();
    }
    let limit = BatchLimit::of(2);
    let held = queue.receive(Lane::Messages, limit, Duration::ZERO).await.unwrap();
    let in_hand = held[0].webhook().key().id.clone();
    execute(
        &file,
        &format!(
            "UPDATE webhooks SET webhook_id = CAST(x'ff32' AS TEXT) WHERE webhook_id = '{in_hand}'"
        ),
    );
    execute(&file, "UPDATE webhooks SET body = zeroblob(length(body)) WHERE webhook_id = '5'");
    let census = queue.census().await.unwrap();
    assert_eq!((census.accepted, census.waiting, census.unreadable), (6, 6, 1));
    let mut outcome = Outcome::default();
    for delivery in &held {
        outcome.applied.insert(delivery.webhook().key().id.clone(), 1);
    }
    queue.ack(held).await.unwrap();
    work_off(&queue, &mut outcome).await;
    outcome.assert_whole(6, "flipped");
    assert_eq!((outcome.set_aside, outcome.missing), (1, 0));
    assert_eq!(file.lines()[0]["webhook"]["id"], "5");
    assert_eq!(file.kept().len(), 0, "the file itself is sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_index_does_not_show_is_found_by_counting() {
    let file = QueueFile::filled().await;
    let page = *file.pages("deliveries_by_due", "leaf").last().unwrap();
    let queue = SqliteQueue::open(file.path(), QueueFile::options()).unwrap();
    // An entry whose lane was changed: nobody would ever claim its webhook.
    file.damage(|bytes| {
        let page = &mut bytes[(page - 1) * PAGE..page * PAGE];
        let at = page.windows(8).rposition(|text| text == b"sessions").unwrap();
        page[at] = b't';
    });
    wait_for("a right depth", LIMIT, || async {
        queue.depth().await.ok().filter(|depth| depth.total() == WEBHOOKS as u64)
    })
    .await;
    let mut outcome = Outcome::default();
    work_off(&queue, &mut outcome).await;
    outcome.assert_whole(WEBHOOKS, "index");
}

fn execute(file: &QueueFile, sql: &str) {
    let connection = Connection::open(file.path()).unwrap();
    connection.busy_timeout(LIMIT).unwrap();
    connection.execute_batch(sql).unwrap();
}

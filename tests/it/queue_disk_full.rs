//! A queue file on a disk that is full for a while: nothing that was accepted is lost, nothing that was
//! not durable is accepted, and everything goes on by itself when there is space again.
//!
//! The disk is a small file system in memory, which only root can mount; else there is nothing to test.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use waha_ingest::clock::SystemClock;
use waha_ingest::queue::sqlite::{Options, SqliteQueue};
use waha_ingest::queue::{BatchLimit, Lane, Queue, QueueError};
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

use crate::disk::{Disk, SmallDisk};
use crate::wait::wait_for;

const LIMIT: Duration = Duration::from_mins(1);

/// How often the disk is filled.
const ROUNDS: usize = 6;

/// What publishers and the worker saw.
#[derive(Default)]
struct Seen {
    accepted: Mutex<BTreeSet<String>>,
    acked: Mutex<BTreeSet<String>>,
    refusals: AtomicUsize,
    is_over: AtomicBool,
}

fn message(id: &str) -> Webhook {
    WebhookParts {
        key: WebhookKey {
            source: "berlin".to_owned(),
            session: "support".to_owned(),
            event_type: "message".to_owned(),
            id: id.to_owned(),
        },
        receipt: Receipt::new(),
        at_ms: 1_750_000_000_000,
        received_at_ms: 1_750_000_000_250,
        replay: false,
        headers: [].into(),
        body: Bytes::from(vec![b'x'; 2500]),
    }
    .into()
}

async fn publish(queue: SqliteQueue, seen: Arc<Seen>, publisher: usize) {
    for number in 0.. {
        if seen.is_over.load(Ordering::SeqCst) {
            return;
        }
        let id = format!("{publisher}-{number}");
        match queue.publish(message(&id)).await {
            Ok(()) => drop(seen.accepted.lock().unwrap().insert(id)),
            // The worker is slower.
            Err(QueueError::Full { .. }) => tokio::task::yield_now().await,
            Err(_) => drop(seen.refusals.fetch_add(1, Ordering::SeqCst)),
        }
    }
}

/// Receives and acks, slower than it is published.
async fn work(queue: SqliteQueue, seen: Arc<Seen>) {
    while !seen.is_over.load(Ordering::SeqCst) {
        let wait = Duration::from_millis(20);
        let Ok(batch) = queue.receive(Lane::Messages, BatchLimit::of(20), wait).await else {
            seen.refusals.fetch_add(1, Ordering::SeqCst);
            continue;
        };
        let ids: Vec<String> =
            batch.iter().map(|delivery| delivery.webhook().key().id.clone()).collect();
        if queue.ack(batch).await.is_ok() {
            seen.acked.lock().unwrap().extend(ids);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_stays_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let Some(disk) = SmallDisk::try_mount(path, 24 << 20) else { return };
    let options = Options::new(8 << 20, Arc::new(SystemClock));
    let path = disk.path().join("queue.db");
    let queue = SqliteQueue::open(&path, options.clone()).unwrap();
    let seen = Arc::new(Seen::default());
    let mut tasks = JoinSet::new();
    for publisher in 0..8 {
        tasks.spawn(publish(queue.clone(), Arc::clone(&seen), publisher));
    }
    for _ in 0..2 {
        tasks.spawn(work(queue.clone(), Arc::clone(&seen)));
    }
    for round in 0..ROUNDS {
        disk.fail();
        let refused = seen.refusals.load(Ordering::SeqCst);
        let accepted = seen.accepted.lock().unwrap().len();
        // A file that need not grow works on a full disk, too.
        wait_for("a refusal, or work without more space", LIMIT, || async {
            let is_refused = seen.refusals.load(Ordering::SeqCst) > refused + 10 * round;
            let goes_on = seen.accepted.lock().unwrap().len() > accepted + 500;
            (is_refused || goes_on).then_some(())
        })
        .await;
        disk.mend();
        let accepted = seen.accepted.lock().unwrap().len();
        let acked = seen.acked.lock().unwrap().len();
        wait_for("both to go on", LIMIT, || async {
            let more = seen.accepted.lock().unwrap().len() > accepted;
            (more && seen.acked.lock().unwrap().len() > acked).then_some(())
        })
        .await;
    }
    seen.is_over.store(true, Ordering::SeqCst);
    tasks.join_all().await;
    assert!(seen.refusals.load(Ordering::SeqCst) > 0, "the disk was never full");
    let census = queue.census().await.unwrap();
    drop(queue);
    let queue = SqliteQueue::open(&path, options).unwrap();
    let reopened = queue.census().await.unwrap();
    assert_eq!(reopened.accepted, census.accepted, "what was counted is durable");
    assert_whole(&queue, &seen).await;
}

/// Each accepted one was acked or is still there, and nothing that was acked comes back.
async fn assert_whole(queue: &SqliteQueue, seen: &Seen) {
    let mut waiting = BTreeSet::new();
    let mut held = Vec::new();
    loop {
        let limit = BatchLimit::of(500);
        let batch = queue.receive(Lane::Messages, limit, Duration::ZERO).await.unwrap();
        if batch.is_empty() {
            break;
        }
        waiting.extend(batch.iter().map(|delivery| delivery.webhook().key().id.clone()));
        held.push(batch);
    }
    let accepted = seen.accepted.lock().unwrap().clone();
    let acked = seen.acked.lock().unwrap().clone();
    let known = &acked | &waiting;
    assert_eq!(accepted.difference(&known).count(), 0, "lost");
    assert_eq!(acked.intersection(&waiting).count(), 0, "brought back");
    let census = queue.census().await.unwrap();
    assert!(census.accepted >= accepted.len() as u64);
    assert_eq!(census.waiting, waiting.len() as u64);
}

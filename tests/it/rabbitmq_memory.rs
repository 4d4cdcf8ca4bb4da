//! A worker's memory is bounded by the bytes of what it has in hand, not by their number: large bodies
//! that wait on the broker, behind small ones that made the worker ask for many at a time, while the
//! database stands still.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, TransactionTrait};
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::{Lane, Queue};

use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::{Node, message};
use crate::rows::count;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(400);
const MB: u64 = 1_000_000;
/// Bodies may take up so much of the worker's memory.
const BODIES_MAX: u64 = 64 * MB;
/// And all of it so much: the process itself, and what normalizing and storing a batch needs.
const MEMORY_MAX: u64 = BODIES_MAX + 300 * MB;

/// What does not change for so long will not change.
const STEADY: Duration = Duration::from_secs(3);

const SMALL: usize = 1_500;
const LARGE: usize = 200;
const LARGE_BYTES: usize = 3_000_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --all"]
async fn large_bodies_behind_small_ones_and_a_locked_table_are_taken_in_parts() {
    let (node, database) = (Node::start(), Database::create(Kind::Postgres).await);
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    fill(&node).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(node.url().to_owned());
    setting.environment = vec![
        ("WAHA_INGEST__WORKER__MEMORY_BYTES_MAX", BODIES_MAX.to_string()),
        ("WAHA_INGEST__LEDGER__BODIES", "none".to_owned()),
    ];
    let work = setting.spawn(&["work"]);
    wait_for("some to be applied", PATIENCE, || async {
        (count(&db, "webhook_events").await > 0).then_some(())
    })
    .await;
    let lock = db.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut last = (0, Instant::now());
    let in_hand = wait_for("the worker to have all it takes", PATIENCE, || {
        let now = unacknowledged(&node);
        if now != last.0 {
            last = (now, Instant::now());
        }
        let is_steady = now > 0 && last.1.elapsed() > STEADY;
        async move { is_steady.then_some(now) }
    })
    .await;
    lock.rollback().await.unwrap();
    let all = i64::try_from(SMALL + LARGE).unwrap();
    wait_for("all to be applied", PATIENCE, || async {
        (count(&db, "webhook_events").await == all).then_some(())
    })
    .await;
    let peak = peak_memory(&work);
    println!("{in_hand} in hand behind the lock, {} MB at most", peak / MB);
    assert!(peak < MEMORY_MAX, "{} MB", peak / MB);
    assert_eq!(count(&db, "dead_letters").await, 0);
}

async fn fill(node: &Node) {
    let door = RabbitmqQueue::open(Options::new(vec![node.url().to_owned().into()]));
    for number in 0..SMALL {
        door.publish(message(&number.to_string())).await.expect("publish");
    }
    for number in 0..LARGE {
        let mut parts = message(&format!("large-{number}")).parts().clone();
        let filler = "x".repeat(LARGE_BYTES);
        let body = String::from_utf8(parts.body.to_vec()).expect("text");
        parts.body = body.replacen('{', &format!("{{\"filler\":\"{filler}\","), 1).into();
        door.publish(parts.into()).await.expect("publish");
    }
    let survey = door.survey().await.expect("a survey");
    assert_eq!(survey.depth.lanes[Lane::Messages as usize].ready, (SMALL + LARGE) as u64);
}

fn unacknowledged(node: &Node) -> u64 {
    let told = node.told(&["-q", "list_queues", "messages_unacknowledged"]);
    told.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum()
}

/// The most that was resident so far, in bytes.
fn peak_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

//! The spool in front of a broker that is killed, hangs, or raises an alarm: every webhook whose
//! publish returned `Ok` reaches a worker, and nobody waits longer than the spool allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;
use waha_ingest::clock::SystemClock;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::spool::{DoorCounts, Spool};
use waha_ingest::queue::sqlite;
use waha_ingest::queue::{BatchLimit, Lane, Queue, QueueError};
use waha_ingest::telemetry::dependency::Dependencies;

use crate::process::{Setting, ended};
use crate::rabbitmq_node::{Node, message};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const PUBLISH_MAX: Duration = Duration::from_millis(500);
/// The fsync of a busy machine, on top.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing() {
    outlive(&["kill"], &["resume"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_loses_nothing() {
    outlive(&["freeze"], &["thaw"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_spools() {
    outlive(&["set_vm_memory_high_watermark", "0.00001"], &["set_vm_memory_high_watermark", "0.6"])
        .await;
}

/// Publishes from many sides while the broker is struck, and until webhooks are spooled.
async fn outlive(strike: &[&str], mend: &[&str]) {
    let node = Node::start();
    let options = node.options();
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(&folder, &options, 1 << 30);
    let load = Load::start(&spool);
    load.reaches(200).await;
    order(&node, strike);
    wait_for("a spooled webhook", PATIENCE, || async {
        (books(&folder).await.waiting > 50).then_some(())
    })
    .await;
    let struck = load.count();
    load.reaches(struck + 200).await;
    order(&node, mend);
    let published = load.stop().await;
    let received = receive(&options, &published).await;
    assert_eq!(received, published);
    wait_for("an empty spool", PATIENCE, || async {
        (books(&folder).await.waiting == 0).then_some(())
    })
    .await;
    drop(spool);
    wait_for("closed books", PATIENCE, || async {
        (books(&folder).await.accepted == published.len() as u64).then_some(())
    })
    .await;
    assert_eq!(books(&folder).await.gaps, []);
}

fn order(node: &Node, what: &[&str]) {
    match what {
        [one] => node.does(one),
        _ => node.control(what),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_refuses_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = Options::new(vec!["amqp://127.0.0.1:1/%2f".to_owned().into()]);
    let spool = open(&folder, &nobody, 1 << 20);
    let mut accepted = 0;
    let error = loop {
        match spool.publish(message(&accepted.to_string())).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 20_000, "it never fills");
    };
    assert!(matches!(error, QueueError::Full { .. }), "{error}");
    let books = books(&folder).await;
    assert_eq!((books.accepted, books.waiting), (accepted, accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_outlives_kills_of_broker_and_process() {
    let node = Node::start();
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("waha.db");
    let url = format!("sqlite://{}", database.display());
    let mut setting = Setting::new(folder.path(), &url);
    setting.queue_url = Some(node.url().to_owned());
    let mut up = setting.up().await;
    post(&setting, 0..50).await;
    setting.settled(PATIENCE).await;
    node.does("kill");
    post(&setting, 50..150).await;
    up.kill();
    node.does("resume");
    let _up = setting.up().await;
    wait_for("all applied", PATIENCE, || async { (ended(&setting.status()) == 150).then_some(()) })
        .await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["dead_lettered"], 0, "{status}");
    // It was killed at rest, or at work.
    match status["uncertain"].as_u64().expect("a number") {
        0 => assert_eq!(status["balanced"], true, "{status}"),
        uncertain => {
            assert!((16..=100).contains(&uncertain), "the kill is named, and no more: {status}");
            assert!(status["balanced"].is_null() && status["reason"].is_string(), "{status}");
        }
    }
}

/// Posts signed webhooks; each must be accepted.
async fn post(setting: &Setting<'_>, numbers: std::ops::Range<usize>) {
    use waha_ingest::simulate::{Plan, history};
    let sending = setting.sending(4);
    let plan = Plan { seed: 3, ..Plan::default() };
    let webhooks = history(&plan).skip(numbers.start).take(numbers.len());
    let report = waha_ingest::sender::send_all(sending, webhooks, || ()).await.expect("a report");
    assert_eq!(report.accepted, numbers.len() as u64, "intake goes on");
}

fn open(folder: &TempDir, options: &Options, bytes_max: u64) -> Spool {
    let broker = Arc::new(RabbitmqQueue::open(options.clone()));
    Spool::open(broker, &file(folder), spool_options(bytes_max), PUBLISH_MAX, &Dependencies::new())
        .expect("a spool")
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("spool.db")
}

fn spool_options(bytes_max: u64) -> sqlite::Options {
    sqlite::Options::new(bytes_max, Arc::new(SystemClock))
}

async fn books(folder: &TempDir) -> DoorCounts {
    let path: &Path = &file(folder);
    DoorCounts::read(path).await.expect("books")
}

/// All that is on the broker, until everything of `published` was seen.
async fn receive(options: &Options, published: &BTreeSet<String>) -> BTreeSet<String> {
    let queue = RabbitmqQueue::open(options.clone());
    let mut received = BTreeSet::new();
    let started = Instant::now();
    while !published.is_subset(&received) {
        let missing = published.difference(&received).count();
        assert!(started.elapsed() < PATIENCE, "{missing} of {} are lost", published.len());
        for lane in [Lane::Messages, Lane::Chats] {
            let wait = Duration::from_millis(200);
            let deliveries =
                queue.receive(lane, BatchLimit::of(500), wait).await.unwrap_or_default();
            received.extend(deliveries.iter().map(|one| one.webhook().key().id.clone()));
            queue.ack(deliveries).await.expect("ack");
        }
    }
    received
}

/// Publishers that go on until they are told to stop.
struct Load {
    publishers: JoinSet<Vec<String>>,
    count: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    fn start(spool: &Spool) -> Self {
        let (count, is_over) = <(Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let mut publishers = JoinSet::new();
        for publisher in 0..8 {
            let (spool, count, is_over) = (spool.clone(), Arc::clone(&count), Arc::clone(&is_over));
            publishers.spawn(async move {
                let mut published = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let id = format!("{publisher}-{}", published.len());
                    let publish = spool.publish(message(&id));
                    let answer = tokio::time::timeout(ANSWER_MAX, publish).await;
                    answer.expect("an answer in time").expect("publish");
                    published.push(id);
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                published
            });
        }
        Self { publishers, count, is_over }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    async fn reaches(&self, count: usize) {
        wait_for("webhooks taken in", PATIENCE, || async { (self.count() >= count).then_some(()) })
            .await;
    }

    async fn stop(self) -> BTreeSet<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.publishers.join_all().await.into_iter().flatten().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_spool_refuses_while_the_broker_gives_no_answer_is_not_known() {
    let node = Node::start();
    let options = node.options();
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(&folder, &options, 1);
    wait_for("a broker that answers", PATIENCE, || async {
        spool.publish(message("first")).await.ok()
    })
    .await;
    let before = wait_for("a count of it", PATIENCE, || async {
        let books = books(&folder).await;
        (books.accepted == 1).then(|| books.uncertain(&BTreeMap::new()))
    })
    .await;
    order(&node, &["freeze"]);
    assert!(spool.publish(message("refused")).await.is_err(), "nothing takes it");
    wait_for("a count that says so", PATIENCE, || async {
        let books = books(&folder).await;
        let reason = books.uncertain_reason(&BTreeMap::new()).unwrap_or_default();
        let is_told = books.uncertain(&BTreeMap::new()) == before + 1;
        (is_told && reason.contains("no answer")).then_some(())
    })
    .await;
    order(&node, &["thaw"]);
    // It is there, and was answered with an error.
    let there = BTreeSet::from(["first".to_owned(), "refused".to_owned()]);
    assert!(receive(&options, &there).await.is_superset(&there));
    assert_eq!(books(&folder).await.accepted, 1);
}

/// As after a door was frozen: whoever posted is answered that it took too long, and the webhook is kept all
/// the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_counted_where_it_is() {
    let node = Node::start();
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(&folder, &node.options(), 1 << 20);
    wait_for("a broker that answers", PATIENCE, || async {
        spool.publish(message("first")).await.ok()
    })
    .await;
    let before = wait_for("a count of it, on the broker", PATIENCE, || async {
        let books = books(&folder).await;
        (books.accepted == 1 && books.waiting == 0).then(|| books.uncertain(&BTreeMap::new()))
    })
    .await;
    order(&node, &["freeze"]);
    let lock = rusqlite::Connection::open(file(&folder)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let publish = |number: i32| {
        let spool = spool.clone();
        async move {
            tokio::time::timeout(PUBLISH_MAX * 3, spool.publish(message(&number.to_string()))).await
        }
    };
    let published = futures_util::future::join_all((0..20).map(publish)).await;
    assert!(published.iter().all(Result::is_err), "the file takes nothing yet");
    lock.execute_batch("ROLLBACK").unwrap();
    order(&node, &["thaw"]);
    wait_for("all of them, counted", PATIENCE, || async {
        let books = books(&folder).await;
        (books.accepted == 21 && books.waiting == 0).then_some(())
    })
    .await;
    // What the broker takes is counted in the file that says what nobody knows.
    spool.publish(message("last")).await.expect("a broker that is back");
    wait_for("the last, counted", PATIENCE, || async {
        (books(&folder).await.accepted == 22).then_some(())
    })
    .await;
    assert_eq!(books(&folder).await.uncertain(&BTreeMap::new()), before);
}

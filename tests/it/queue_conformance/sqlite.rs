//! The embedded queue: the suite, and what only a queue in a file must do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use waha_ingest::clock::{Clock, FixedClock, SystemClock};
use waha_ingest::queue::sqlite::{Options, SqliteQueue};
use waha_ingest::queue::{Lane, Queue, QueueError};
use waha_ingest::webhook::Webhook;

use super::*;
use crate::wait::wait_for;

every_check!(File::new);

/// Tells the test binary, started again by a test, to be the process that is killed.
const CHILD_VARIABLE: &str = "WAHA_INGEST_TEST_QUEUE_FILE";

/// A lease so long that nobody renews one during a test unless the clock is moved.
const LEASE: Duration = Duration::from_hours(1);

/// A queue file and a clock that stands still.
struct File {
    folder: TempDir,
    clock: Arc<FixedClock>,
    queue: Option<Arc<SqliteQueue>>,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = FixedClock::at(SystemClock.now_ms());
        let mut file = Self { folder, clock, queue: None };
        file.queue = Some(Arc::new(file.open().expect("a queue")));
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    fn options(&self) -> Options {
        let clock = self.clock.clone();
        Options { lease: LEASE, ..Options::new(1 << 30, clock) }
    }

    /// One more opening, with a thread and leases of its own: like another process.
    fn open(&self) -> Result<SqliteQueue, QueueError> {
        SqliteQueue::open(self.path(), self.options())
    }

    fn sqlite(&self) -> &SqliteQueue {
        self.queue.as_ref().expect("it is open")
    }

    /// The harness' own queue is closed, so that its file can be changed.
    fn close(&mut self) {
        let queue = self.queue.take().expect("it is open");
        assert!(Arc::into_inner(queue).is_some(), "no other handle is left");
    }
}

impl Harness for File {
    fn queue(&self) -> Arc<dyn Queue> {
        self.queue.clone().expect("it is open")
    }

    fn delay(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn pass(&mut self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("a short time");
        self.clock.advance(ms);
    }

    async fn reopen(&mut self) {
        self.close();
        self.queue = Some(Arc::new(self.open().expect("it opens again")));
    }
}

// --- several processes, and their deaths ---------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_file() {
    let file = File::new();
    let (server, worker) = (file.sqlite(), file.open().expect("a second opening"));
    let waiting = worker.clone();
    let waiting = tokio::spawn(async move { receive(&waiting, Lane::Messages, 1).await });
    publish_numbered(server, 100).await;
    let first = within(waiting).await.expect("the receiver ends");
    let (some, others) =
        tokio::join!(receive(server, Lane::Messages, 50), receive(&worker, Lane::Messages, 49));
    assert_eq!((&ids(&first) | &ids(&some)).union(&ids(&others)).count(), 100, "disjoint");
    depth_becomes(&worker, 100, 0, Some(RECEIVED_AT_MS)).await;
    for (queue, deliveries) in [(&worker, first), (server, some), (&worker, others)] {
        queue.ack(deliveries).await.expect("ack");
    }
    depth_becomes(server, 0, 0, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_in_two_processes_wait_for_each_other() {
    let file = File::new();
    let queues = [file.sqlite().clone(), file.open().expect("a second opening")];
    let mut publishers = JoinSet::new();
    for publisher in 0..32 {
        let queue = queues[publisher % 2].clone();
        publishers.spawn(async move {
            for number in 0..20 {
                let webhook = message(&format!("{publisher}-{number}"));
                queue.publish(webhook).await.expect("publish");
            }
        });
    }
    publishers.join_all().await;
    assert_eq!(file.sqlite().census().await.expect("census").accepted, 640);
    assert_eq!(ids(&receive(&queues[1], Lane::Messages, 640).await).len(), 640);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_its_holder_lives() {
    let file = File::new();
    let short = Options { lease: Duration::from_millis(600), ..file.options() };
    let holder = SqliteQueue::open(file.path(), short.clone()).expect("a holder");
    let rival = SqliteQueue::open(file.path(), short).expect("a rival");
    publish_numbered(&holder, 1).await;
    let held = receive(&holder, Lane::Messages, 1).await;
    for _ in 0..5 {
        let ends_at_ms = lease_ends_at_ms(&file);
        file.clock.advance(500);
        becomes(|| lease_ends_at_ms(&file) > ends_at_ms, "the lease is renewed").await;
        assert_nothing(&rival, Lane::Messages).await;
    }
    holder.ack(held).await.expect("ack");
    depth_becomes(&rival, 0, 0, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_is_somebody_elses() {
    let file = File::new();
    let (slow, rival) = (file.sqlite(), file.open().expect("a second opening"));
    publish_numbered(slow, 3).await;
    let mut late = receive(slow, Lane::Messages, 3).await;
    file.clock.advance(i64::try_from(LEASE.as_millis()).expect("an hour"));
    let held = receive(&rival, Lane::Messages, 3).await;
    let (dropped, retried) = (late.pop(), late.pop().expect("three"));
    drop(dropped);
    slow.retry(retried, failure("too late"), Duration::ZERO).await.expect("retry");
    slow.ack(late).await.expect("an ack that comes too late is no error");
    depth_becomes(&rival, 3, 0, Some(RECEIVED_AT_MS)).await;
    assert_nothing(slow, Lane::Messages).await;
    drop(held);
    let again = receive(slow, Lane::Messages, 3).await;
    assert!(again.iter().all(|delivery| delivery.failures().is_empty()), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_loses_nothing_and_brings_nothing_back() {
    let mut file = File::new();
    file.close();
    let told = kill_a_busy_child(&file.path());
    // Its leases are over by then.
    file.clock.advance(60_000);
    let queue = file.open().expect("it opens after a kill");
    let census = queue.census().await.expect("census");
    let count = usize::try_from(census.waiting).expect("not so many");
    let deliveries = receive(&queue, Lane::Messages, count).await;
    assert_nothing(&queue, Lane::Messages).await;
    let waiting = ids(&deliveries);
    let ended = &waiting | &told.ending;
    assert_eq!(&told.published - &ended, BTreeSet::new(), "lost");
    assert_eq!(told.acked.intersection(&waiting).count(), 0, "brought back");
    assert!(told.held.is_subset(&waiting), "what was in hand is handed out again");
    assert!(census.accepted >= told.published.len() as u64);
    assert!(census.accepted - census.waiting >= told.acked.len() as u64);
}

/// What a child process told before it was killed, by webhook id.
#[derive(Default)]
struct Told {
    published: BTreeSet<String>,
    held: BTreeSet<String>,
    /// About to be acked; whether it was, the kill may have left open.
    ending: BTreeSet<String>,
    acked: BTreeSet<String>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let Some((what, id)) = line.trim_end().split_once(' ') else { return };
        let ids = match what {
            "published" => &mut self.published,
            "held" => &mut self.held,
            "ending" => &mut self.ending,
            "acked" => &mut self.acked,
            _ => return,
        };
        ids.insert(id.to_owned());
    }

    fn is_enough(&self) -> bool {
        self.published.len() >= 500 && self.acked.len() >= 50 && !self.held.is_empty()
    }
}

fn kill_a_busy_child(path: &Path) -> Told {
    let (_, module) = module_path!().split_once("::").expect("a module of the test binary");
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", &format!("{module}::child"), "--nocapture"])
        .env(CHILD_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn();
    let mut child = KilledOnDrop(child.expect("a child"));
    let mut lines = BufReader::new(child.0.stdout.take().expect("a pipe"));
    let started = Instant::now();
    let (mut told, mut line) = (Told::default(), String::new());
    // After the kill, what it had told is read to the end; a line cut short does not count.
    while lines.read_line(&mut line).expect("a line") > 0 && line.ends_with('\n') {
        told.hear(&line);
        line.clear();
        if told.is_enough() {
            child.0.kill().expect("kill");
        }
        assert!(started.elapsed() < LIMIT, "the child gets nothing done");
    }
    assert!(told.is_enough(), "the child ended by itself");
    told
}

/// No failure of a test leaves its child behind.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // It may be dead already, which is what this is for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Run by itself this does nothing; run by [`kill_a_busy_child`] it works until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(path) = std::env::var_os(CHILD_VARIABLE) else { return };
    let options = Options::new(1 << 30, Arc::new(SystemClock));
    let queue = SqliteQueue::open(path, options).expect("a queue");
    let mut work = JoinSet::new();
    for publisher in 0..16 {
        let queue = queue.clone();
        work.spawn(async move {
            for number in 0.. {
                let id = format!("{publisher}-{number}");
                queue.publish(message(&id)).await.expect("publish");
                println!("published {id}");
            }
        });
    }
    work.spawn(async move {
        let mut held = Vec::new();
        loop {
            let mut deliveries = receive(&queue, Lane::Messages, 10).await;
            held.extend(deliveries.pop());
            tell("held", &ids(&held));
            let acked = ids(&deliveries);
            tell("ending", &acked);
            queue.ack(deliveries).await.expect("ack");
            tell("acked", &acked);
        }
    });
    work.join_all().await;
}

fn tell(what: &str, ids: &BTreeSet<String>) {
    for id in ids {
        println!("{what} {id}");
    }
}

// --- time ----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_comes_at_its_time_and_not_before() {
    let mut file = File::new();
    publish_numbered(file.sqlite(), 1).await;
    retry_one(file.sqlite(), Duration::from_secs(30), "first").await;
    file.clock.advance(29_999);
    assert_nothing(file.sqlite(), Lane::Messages).await;
    file.reopen().await;
    assert_nothing(file.sqlite(), Lane::Messages).await;
    file.clock.advance(1);
    assert_eq!(receive(file.sqlite(), Lane::Messages, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_and_new_ones_take_turns() {
    let file = File::new();
    let queue = file.sqlite();
    publish_numbered(queue, 20).await;
    for delivery in receive(queue, Lane::Messages, 20).await {
        queue.retry(delivery, failure("first"), Duration::from_secs(30)).await.expect("retry");
    }
    publish_numbered(queue, 20).await;
    file.clock.advance(30_000);
    let deliveries = receive(queue, Lane::Messages, 10).await;
    let retried = deliveries.iter().filter(|delivery| delivery.attempt() == 2).count();
    assert_eq!(retried, 5, "half of a batch");
    queue.ack(deliveries).await.expect("ack");
    // Where there are no more of one kind, the other has the whole batch.
    assert_eq!(receive(queue, Lane::Messages, 30).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_wrong_does_not_hide_webhooks() {
    let file = File::new();
    file.clock.advance(1_000_000_000);
    publish_numbered(file.sqlite(), 5).await;
    drop(receive(file.sqlite(), Lane::Messages, 5).await);
    file.clock.advance(-2_000_000_000);
    assert_eq!(receive(file.sqlite(), Lane::Messages, 5).await.len(), 5);
}

/// A process that was killed while the clock was a day ahead leaves times behind that are far off.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_holds_nothing_back() {
    let file = File::new();
    file.clock.advance(DAY_MS);
    publish_numbered(file.sqlite(), 3).await;
    retry_one(file.sqlite(), Duration::from_secs(30), "first").await;
    // Its lease is so long that it would not be renewed for minutes: as good as killed.
    let held = receive(file.sqlite(), Lane::Messages, 2).await;
    file.clock.advance(-DAY_MS);
    let rival = file.open().expect("the next process");
    assert_nothing(&rival, Lane::Messages).await;
    assert_nothing(&rival, Lane::Messages).await;
    file.clock.advance(30_000);
    assert_eq!(receive(&rival, Lane::Messages, 1).await[0].attempt(), 2, "after its own wait");
    file.clock.advance(i64::try_from(LEASE.as_millis()).expect("an hour"));
    assert_eq!(receive(&rival, Lane::Messages, 2).await.len(), 2, "after the length of a lease");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_clock_was_ahead_has_an_age() {
    let file = File::new();
    let queue = file.sqlite();
    let ahead_ms = file.clock.now_ms() + DAY_MS;
    let webhook = changed(&message("0"), |parts| parts.received_at_ms = ahead_ms);
    queue.publish(webhook).await.expect("publish");
    file.clock.advance(60_000);
    let seen_ms = file.clock.now_ms();
    assert_nothing(queue, Lane::Calls).await;
    depth_becomes(queue, 1, 0, Some(seen_ms)).await;
    file.clock.advance(5000);
    depth_becomes(queue, 1, 0, Some(seen_ms)).await;
}

/// How far ahead the clock was.
const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_and_the_latest_failures_are_kept() {
    let mut file = File::new();
    publish_numbered(file.sqlite(), 1).await;
    for number in 0..60 {
        retry_one(file.sqlite(), Duration::ZERO, &number.to_string()).await;
    }
    file.reopen().await;
    let deliveries = receive(file.sqlite(), Lane::Messages, 1).await;
    let failures = deliveries[0].failures();
    assert_eq!((failures.len(), deliveries[0].attempt()), (50, 51));
    assert_eq!(
        [&failures[0], &failures[1], &failures[49]],
        [0, 11, 59].map(|at: i32| failure(&at.to_string())).each_ref()
    );
}

// --- size, damage, foreign files -----------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_until_it_is_drained() {
    let file = File::new();
    let small = Options { bytes_max: 1 << 20, ..file.options() };
    let queue = SqliteQueue::open(file.path(), small).expect("a small queue");
    let mut sizes = Vec::new();
    for round in 0..3 {
        let accepted = fill(&queue, round).await;
        assert!((200..=400).contains(&accepted), "{accepted} of 2.5 KB in 1 MiB");
        let deliveries = receive(&queue, Lane::Messages, accepted).await;
        let (last, failure) = (deliveries.len() - 1, failure("first"));
        for (at, delivery) in deliveries.into_iter().enumerate() {
            if at == last {
                queue
                    .retry(delivery, failure.clone(), Duration::ZERO)
                    .await
                    .expect("a full queue retries");
            } else {
                queue.ack(vec![delivery]).await.expect("a full queue acks");
            }
        }
        queue.ack(receive(&queue, Lane::Messages, 1).await).await.expect("ack");
        sizes.push(pages(&file));
    }
    assert_eq!(sizes[2], sizes[0], "deleted space is used again");
}

/// Publishes until it is refused; says how many were taken.
async fn fill(queue: &SqliteQueue, round: usize) -> usize {
    let mut accepted = 0;
    let error = loop {
        let body = Bytes::from(vec![b'x'; 2500]);
        match queue.publish(with_body(&format!("{round}-{accepted}"), body)).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 10_000, "it never fills");
    };
    assert!(matches!(error, QueueError::Full { bytes: 1.., bytes_max: 0x10_0000 }), "{error}");
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_which_nothing_can_be_read_is_kept_beside_a_new_one() {
    let mut file = File::new();
    publish_numbered(file.sqlite(), 100).await;
    file.close();
    fs::write(file.path(), "not a database, but not empty either").expect("harm");
    let damaged = fs::read(file.path()).expect("the file");
    assert!(file.open().is_err(), "the damage is seen");
    let queue = SqliteQueue::open_or_mend(file.path(), file.options()).expect("a new one");
    publish_numbered(&queue, 1).await;
    assert_eq!(receive(&queue, Lane::Messages, 1).await.len(), 1);
    let kept = format!("queue.db.damaged-{}", file.clock.now_ms());
    let kept = fs::read(file.folder.path().join(kept)).expect("it was kept");
    assert!(kept == damaged, "it was not changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_file_is_not_mended() {
    let mut file = File::new();
    publish_numbered(file.sqlite(), 10).await;
    file.close();
    let queue = SqliteQueue::open_or_mend(file.path(), file.options()).expect("a queue");
    assert_eq!(receive(&queue, Lane::Messages, 10).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_newer_files_are_left_alone() {
    let foreign = "PRAGMA journal_mode = DELETE; PRAGMA application_id = 7; CREATE TABLE t (a)";
    for (change, says) in [(foreign, "something else"), ("PRAGMA user_version = 99", "newer")] {
        let mut file = File::new();
        file.close();
        let connection = Connection::open(file.path()).expect("the file");
        connection.execute_batch(change).expect("the change");
        drop(connection);
        let before = fs::read(file.path()).expect("the file");
        let refused = SqliteQueue::open_or_mend(file.path(), file.options());
        let Err(QueueError::File { path, problem }) = refused else {
            panic!("it must be refused");
        };
        assert!(path.ends_with("queue.db") && problem.contains(says), "{problem}");
        assert!(fs::read(file.path()).expect("the file") == before, "it was changed");
    }
}

// --- what fails alone ----------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_does_not_fail_its_group() {
    let file = File::new();
    fails_on(&file, "INSERT ON webhooks WHEN new.webhook_id = 'bad'");
    let mut publishers = JoinSet::new();
    for number in 0..200 {
        let queue = file.queue();
        let id = if number == 100 { "bad".to_owned() } else { number.to_string() };
        publishers.spawn(async move { queue.publish(message(&id)).await.is_ok() });
    }
    let accepted = publishers.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!(accepted, 199);
    assert_eq!(file.sqlite().census().await.expect("census").accepted, 199);
    assert_eq!(ids(&receive(file.sqlite(), Lane::Messages, 199).await).len(), 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_fails_gives_back() {
    let file = File::new();
    let queue = file.sqlite();
    publish_numbered(queue, 2).await;
    fails_on(&file, "DELETE ON webhooks");
    let deliveries = receive(queue, Lane::Messages, 2).await;
    queue.ack(deliveries).await.expect_err("the ack fails");
    let again = receive(queue, Lane::Messages, 2).await;
    assert_eq!(ids(&again).len(), 2);
    depth_becomes(queue, 2, 0, Some(RECEIVED_AT_MS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_holds_up_no_other() {
    let file = File::new();
    publish_numbered(file.sqlite(), 3).await;
    execute(&file, "UPDATE webhooks SET headers = '{' WHERE webhook_id = '0'");
    let deliveries = receive(file.sqlite(), Lane::Messages, 2).await;
    assert_eq!(ids(&deliveries), ["1".to_owned(), "2".to_owned()].into());
    file.sqlite().ack(deliveries).await.expect("ack");
    assert_nothing(file.sqlite(), Lane::Messages).await;
    // It is kept beside the file, and told.
    depth_becomes(file.sqlite(), 0, 0, None).await;
    let census = file.sqlite().census().await.expect("census");
    assert_eq!((census.accepted, census.set_aside, census.missing), (3, 1, 0));
    let kept = fs::read_to_string(file.folder.path().join("queue.db.set-aside.jsonl"));
    assert_eq!(kept.expect("the file of what was set aside").lines().count(), 1);
}

// --- counting ------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_census_is_exact() {
    let file = File::new();
    let queue = file.sqlite();
    publish_numbered(queue, 10).await;
    for id in ["r1", "r2"] {
        queue.publish(replay(id)).await.expect("publish");
    }
    let mut deliveries = receive(queue, Lane::Messages, 4).await;
    let retried = deliveries.pop().expect("four");
    let mut handed_out = vec![known(retried.webhook())];
    queue.retry(retried, failure("first"), Duration::from_secs(30)).await.expect("retry");
    handed_out.push(known(deliveries[2].webhook()));
    drop(deliveries.pop());
    handed_out.push(known(deliveries[1].webhook()));
    let in_hand = deliveries.pop();
    queue.ack(deliveries).await.expect("ack");
    let mut census = file.open().expect("another process").census().await.expect("census");
    census.handed_out.sort();
    handed_out.sort();
    assert_eq!((census.accepted, census.waiting, census.replays), (10, 9, 2));
    assert_eq!(census.handed_out, handed_out);
    drop(in_hand);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_handed_out_but_not_accepted() {
    let file = File::new();
    file.sqlite().publish(replay("r1")).await.expect("publish");
    let deliveries = receive(file.sqlite(), Lane::Messages, 1).await;
    let census = file.sqlite().census().await.expect("census");
    assert_eq!((census.accepted, census.waiting, census.replays), (0, 0, 1));
    assert_eq!(census.handed_out, []);
    assert!(deliveries[0].webhook().is_replay());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_frozen_nothing_moves() {
    let file = File::new();
    let queue = file.sqlite();
    publish_numbered(queue, 2).await;
    let held = receive(queue, Lane::Messages, 1).await;
    let status = file.open().expect("another process");
    let frozen = status.freeze().await.expect("frozen");
    let census = status.census().await.expect("census");
    assert_eq!((census.accepted, census.waiting, census.handed_out.len()), (2, 2, 1));
    let (server, worker) = (file.queue(), file.queue());
    let published = tokio::spawn(async move { server.publish(message("late")).await });
    let acked = tokio::spawn(async move { worker.ack(held).await });
    // What is refused or delayed can't be waited for; a queue that moves would be done by then.
    let moved = tokio::time::timeout(Duration::from_millis(200), async {
        while !published.is_finished() && !acked.is_finished() {
            tokio::task::yield_now().await;
        }
    });
    assert!(moved.await.is_err(), "something moved");
    assert_eq!(status.census().await.expect("census"), census);
    let instant = frozen.let_go();
    within(published).await.expect("a task").expect("publish");
    within(acked).await.expect("a task").expect("ack");
    let moved = status.census().await.expect("census");
    assert_eq!((moved.accepted, moved.waiting), (3, 2));
    // What was looked at stays countable, however long that takes.
    assert_eq!(status.census_of(instant).await.expect("census"), census);
}

// --- words ---------------------------------------------------------------------------------------

fn replay(id: &str) -> Webhook {
    changed(&message(id), |parts| parts.replay = true)
}

fn known(webhook: &Webhook) -> (WebhookKey, Receipt) {
    (webhook.key().clone(), webhook.receipt())
}

fn execute(file: &File, sql: &str) {
    let connection = Connection::open(file.path()).expect("the file");
    connection.busy_timeout(LIMIT).expect("a timeout");
    connection.execute_batch(sql).expect(sql);
}

/// From now on this fails in the file, for whoever tries it.
fn fails_on(file: &File, what: &str) {
    execute(file, &format!("CREATE TRIGGER t BEFORE {what} BEGIN SELECT raise(ABORT, 'no'); END"));
}

fn number(file: &File, sql: &str) -> i64 {
    let connection = Connection::open(file.path()).expect("the file");
    connection.busy_timeout(LIMIT).expect("a timeout");
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

fn lease_ends_at_ms(file: &File) -> i64 {
    number(file, "SELECT due_at_ms FROM deliveries WHERE lease IS NOT NULL")
}

fn pages(file: &File) -> i64 {
    number(file, "PRAGMA page_count")
}

async fn becomes(condition: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Of 80 MB that were worked off the disk gets nearly all back, and nothing is lost or counted anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_short_again_after_a_backlog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let options =
        Options { lease: Duration::from_secs(1), ..Options::new(1 << 30, Arc::new(SystemClock)) };
    let queue = SqliteQueue::open(&path, options).unwrap();
    for number in 0..11 {
        queue.publish(odd_webhook(number, large_body().into())).await.unwrap();
    }
    let length = || fs::metadata(&path).unwrap().len();
    assert!(length() > 80 << 20, "{}", length());
    for delivery in receive(&queue, Lane::Messages, 10).await {
        queue.ack(vec![delivery]).await.unwrap();
    }
    wait_for("a short file", LIMIT, || async { (length() < 16 << 20).then_some(()) }).await;
    let depth = queue.depth().await.unwrap();
    assert_eq!(depth.lanes.iter().map(|lane| lane.ready).sum::<u64>(), 1);
    let last = receive(&queue, Lane::Messages, 1).await.pop().unwrap();
    assert!(last.webhook().body()[..] == large_body()[..], "it came out changed");
}

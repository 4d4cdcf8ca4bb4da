//! The file that is damaged, and working it off.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use rusqlite::Connection;
use tempfile::TempDir;
use waha_ingest::clock::SystemClock;
use waha_ingest::queue::sqlite::{Options, SqliteQueue};
use waha_ingest::queue::{BatchLimit, Lane, Queue};
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

/// Webhooks in the file.
pub const WEBHOOKS: usize = 1200;

/// Bytes of a page.
pub const PAGE: usize = 8192;

/// A folder with a queue file.
pub struct QueueFile {
    pub folder: TempDir,
}

/// What became of the webhooks of a file.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often each was handed out and ended.
    pub applied: BTreeMap<String, usize>,
    pub accepted: u64,
    pub waiting: u64,
    pub set_aside: u64,
    pub missing: u64,
}

impl Outcome {
    pub fn gone(&self) -> u64 {
        self.set_aside + self.missing
    }

    /// Nothing is unaccounted for, and nothing came twice.
    pub fn assert_whole(&self, accepted: usize, case: &str) {
        assert_eq!(self.accepted, accepted as u64, "{case}: the door's count");
        assert_eq!(self.waiting, 0, "{case}: something is stuck");
        let sum = self.applied.len() as u64 + self.gone();
        assert_eq!(sum, accepted as u64, "{case}: {} gone", self.gone());
        assert!(self.applied.values().all(|times| *times == 1), "{case}: doubled");
    }
}

impl QueueFile {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With all webhooks in it, closed.
    pub async fn filled() -> Self {
        let file = Self::new();
        let queue = file.open();
        for number in 0..WEBHOOKS {
            queue.publish(webhook(number)).await.unwrap();
        }
        file
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    pub fn options() -> Options {
        Options::new(1 << 30, Arc::new(SystemClock))
    }

    pub fn open(&self) -> SqliteQueue {
        SqliteQueue::open_or_mend(self.path(), Self::options()).unwrap()
    }

    /// Another folder with the same files.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for suffix in ["", "-wal"] {
            let from = with_suffix(&self.path(), suffix);
            if from.exists() {
                fs::copy(from, with_suffix(&copy.path(), suffix)).unwrap();
            }
        }
        copy
    }

    /// Changes the bytes of the file.
    pub fn damage(&self, change: impl FnOnce(&mut [u8])) {
        let mut bytes = fs::read(self.path()).unwrap();
        change(&mut bytes);
        let file = fs::File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
    }

    /// As a disk does that lost a page.
    pub fn zero_page(&self, number: usize) {
        self.damage(|bytes| bytes[(number - 1) * PAGE..number * PAGE].fill(0));
    }

    /// Pages of a table or index, by kind: `internal`, `leaf` or `overflow`.
    pub fn pages(&self, name: &str, kind: &str) -> Vec<usize> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection
            .prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = ?2 ORDER BY pageno")
            .unwrap();
        let pages = statement.query_map([name, kind], |row| row.get::<_, i64>(0)).unwrap();
        pages.map(|page| usize::try_from(page.unwrap()).unwrap()).collect()
    }

    /// Lines of what was set aside.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(with_suffix(&self.path(), ".set-aside.jsonl"));
        let text = text.unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Files that were kept because they are damaged.
    pub fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_kept = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        };
        paths.filter(is_kept).collect()
    }
}

/// Ends everything that can be received, then counts.
pub async fn work_off(queue: &SqliteQueue, outcome: &mut Outcome) {
    let mut is_idle = false;
    while !is_idle {
        is_idle = true;
        for lane in Lane::ALL {
            let batch = queue.receive(lane, BatchLimit::of(100), Duration::ZERO).await.unwrap();
            is_idle &= batch.is_empty();
            for delivery in &batch {
                let id = &delivery.webhook().key().id;
                let number: usize = id.parse().unwrap();
                let published = webhook(number);
                assert!(delivery.webhook().body() == published.body(), "{id} came out changed");
                assert_eq!(delivery.webhook().key(), published.key());
                *outcome.applied.entry(id.clone()).or_default() += 1;
            }
            queue.ack(batch).await.unwrap();
        }
    }
    let census = queue.census().await.unwrap();
    outcome.accepted = census.accepted;
    outcome.waiting = census.waiting;
    outcome.set_aside = census.set_aside;
    outcome.missing = census.missing;
}

/// Opens a damaged file, publishes ten more, works everything off, and again after a restart.
pub async fn open_and_work_off(file: &QueueFile, case: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for round in 0..2 {
        let queue = file.open();
        for number in 0..10 {
            let number = WEBHOOKS + round * 10 + number;
            queue.publish(webhook(number)).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        }
        work_off(&queue, &mut outcome).await;
    }
    outcome
}

/// Most are of usual size; every twentieth is so large that it needs pages of its own.
pub fn webhook(number: usize) -> Webhook {
    let bytes = if number % 20 == 7 { 30_000 } else { 2_000 + number % 700 };
    let body: Vec<u8> =
        (0..bytes).map(|at| u8::try_from((at * 31 + number * 7) % 256).unwrap()).collect();
    WebhookParts {
        key: WebhookKey {
            source: "berlin".to_owned(),
            session: "support".to_owned(),
            event_type: if number.is_multiple_of(3) { "session.status" } else { "message" }
                .to_owned(),
            id: number.to_string(),
        },
        receipt: Receipt(i64::try_from(number).unwrap()),
        at_ms: 1_750_000_000_000,
        received_at_ms: 1_750_000_000_250,
        replay: false,
        headers: [("x-webhook-request-id".to_owned(), format!("request {number}"))].into(),
        body: Bytes::from(body),
    }
    .into()
}

/// Flips a bit, or makes a page or a sector something else. The first hundred bytes say what the file is, and
/// which release's: those are not struck alone.
pub fn strike(bytes: &mut [u8], rng: &mut StdRng) {
    let pages = bytes.len() / PAGE;
    match rng.random_range(0..4) {
        0 => {
            let at = rng.random_range(100..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        1 => {
            let page = rng.random_range(0..pages);
            bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        2 => {
            let sector = rng.random_range(1..bytes.len() / 512);
            rng.fill_bytes(&mut bytes[sector * 512..(sector + 1) * 512]);
        }
        _ => {
            let (from, to) = (rng.random_range(1..pages), rng.random_range(1..pages));
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
        }
    }
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

//! The whole application in this process: real HTTP on a random port, an own queue and database, a
//! clock that stands still, and a worker that works when it is told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use tempfile::TempDir;
use waha_ingest::accounting::Accounting;
use waha_ingest::clock::FixedClock;
use waha_ingest::config::Config;
use waha_ingest::http_client;
use waha_ingest::metrics::door::DoorMetrics;
use waha_ingest::metrics::worker::WorkerMetrics;
use waha_ingest::queue::Queue;
use waha_ingest::queue::sqlite::{Options, SqliteQueue};
use waha_ingest::retention::Cleaner;
use waha_ingest::server::{Door, serve_public};
use waha_ingest::simulate::Sent;
use waha_ingest::store::{KeptFiles, MOVED_AT_ONCE, Store, StoreOptions};
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::webhook::source::{Source, sign};
use waha_ingest::worker::{ByteBudget, Worker};

use crate::database::{Database, Kind};
use crate::rows::{Rows, rows, without_ledger};
use crate::wait::wait_for;

pub const KEY: &str = "secret";
/// How long a connection that was cut off may take to end.
const PATIENCE: Duration = Duration::from_secs(120);
/// 2026-11-20: later than everything that `simulate` makes up.
pub const NOW_MS: i64 = 1_795_000_000_000;

pub struct TestApp {
    pub url: String,
    pub database_url: String,
    pub clock: Arc<FixedClock>,
    pub queue: SqliteQueue,
    pub queue_path: PathBuf,
    pub store: Arc<Store>,
    pub worker: Worker,
    db: DatabaseConnection,
    client: reqwest::Client,
    database: Database,
    /// Vanishes with the application.
    _folder: TempDir,
}

impl TestApp {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(Database::create(kind).await, u64::MAX >> 1).await
    }

    pub async fn start_with(database: Database, queue_bytes_max: u64) -> Self {
        Self::start_on(database, queue_bytes_max, Extras::default()).await
    }

    /// One whose worker packs bodies.
    pub async fn start_packing(kind: Kind) -> Self {
        Self::start_on(Database::create(kind).await, u64::MAX >> 1, Extras::packing()).await
    }

    /// One that keeps files of messages.
    pub async fn start_keeping(database: Database, kept_files: KeptFiles) -> Self {
        let extras = Extras { kept_files, ..Extras::default() };
        Self::start_on(database, u64::MAX >> 1, extras).await
    }

    async fn start_on(database: Database, queue_bytes_max: u64, extras: Extras) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let config = Config::load_defaults().unwrap();
        let options = Options::new(queue_bytes_max, clock.clone());
        let queue_path = folder.path().join("queue.db");
        let queue = SqliteQueue::open(queue_path.clone(), options).unwrap();
        let store = open_store_with(extras, &database.url, clock.clone()).await;
        let url = serve(&config, queue.clone(), clock.clone());
        let worker = Worker {
            queue: Arc::new(queue.clone()),
            store: Arc::clone(&store),
            clock: clock.clone(),
            rules: config.rules,
            policy: config.retry,
            batch_max: config.batch_max,
            concurrency: 1,
            budget: ByteBudget::new(config.batch_bytes_max, config.worker_memory_bytes_max, 4),
            hold_max: config.hold_max,
            metrics: WorkerMetrics::new(),
            dependencies: Dependencies::new(),
        };
        let client = http_client::plain().build().unwrap();
        let (database_url, db) = (database.url.clone(), store.connection());
        Self {
            url,
            database_url,
            clock,
            queue,
            queue_path,
            store,
            worker,
            db,
            client,
            database,
            _folder: folder,
        }
    }

    pub fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Posts a signed body.
    pub async fn post(&self, body: impl Into<Vec<u8>>) -> StatusCode {
        let body = body.into();
        let signature = sign(&SecretString::from(KEY), &body);
        let request = self.client.post(&self.url).header("x-webhook-hmac", signature);
        request.body(body).send().await.unwrap().status()
    }

    /// Posts a signed JSON body.
    pub async fn post_json(&self, body: &serde_json::Value) {
        assert_eq!(self.post(body.to_string()).await, StatusCode::ACCEPTED);
    }

    /// A signed request that is not sent yet.
    pub fn signed(&self, body: String) -> reqwest::RequestBuilder {
        let signature = sign(&SecretString::from(KEY), body.as_bytes());
        self.request().header("x-webhook-hmac", signature).body(body)
    }

    /// A request to be changed before it is sent.
    pub fn request(&self) -> reqwest::RequestBuilder {
        self.client.post(&self.url)
    }

    /// Publishes what a WAHA would send, without HTTP.
    pub async fn publish_all(&self, webhooks: impl IntoIterator<Item = Sent>) {
        for sent in webhooks {
            self.queue.publish(webhook(&sent)).await.unwrap();
        }
    }

    /// Processes everything that is due.
    pub async fn work_until_idle(&self) {
        self.worker.work_until_idle().await;
    }

    /// Lets go of what is old, as fast as it can.
    pub fn cleaner(&self) -> Cleaner {
        Cleaner {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            queue: Some(Arc::new(self.queue.clone())),
            archive: None,
            rows_per_second: None,
        }
    }

    /// Once it can be counted: a connection that was cut off in the middle has to end first.
    pub async fn equation(&self) -> Accounting {
        let counted = || async { Accounting::count(&self.queue, &self.store).await.ok() };
        wait_for("the equation", PATIENCE, counted).await
    }
}

/// The time at which every test happens.
pub fn clock() -> Arc<FixedClock> {
    FixedClock::at(NOW_MS)
}

/// A worker's store with all tables, keeping every body.
pub async fn open_store(database: &Database, clock: Arc<FixedClock>) -> Arc<Store> {
    open_store_with(Extras::default(), &database.url, clock).await
}

/// What a store does that others do not.
#[derive(Default)]
pub struct Extras {
    pub packs_bodies: bool,
    pub kept_files: KeptFiles,
    /// Messages of a chat that move in one transaction, if other than usual.
    pub moved_at_once: Option<u64>,
}

impl Extras {
    pub fn packing() -> Self {
        Self { packs_bodies: true, ..Self::default() }
    }
}

/// The same for a store that does more.
pub async fn open_store_with(extras: Extras, url: &str, clock: Arc<FixedClock>) -> Arc<Store> {
    let Extras { packs_bodies, kept_files, moved_at_once } = extras;
    let options = StoreOptions {
        url: url.to_owned(),
        replica: None,
        connections_max: 8,
        keeps_bodies: true,
        keeps_ephemeral_bodies: true,
        packs_bodies,
        kept_files,
        notifies: true,
        moved_at_once: moved_at_once.unwrap_or(MOVED_AT_ONCE),
    };
    let store = Store::open(&options, clock).await.unwrap();
    migration::up(&store.connection()).await.unwrap();
    Arc::new(store)
}

/// The rows that one worker makes on one machine, which gets everything in order and nothing twice;
/// without the ledger.
pub async fn undisturbed(webhooks: Vec<Sent>) -> Rows {
    let app = TestApp::start(Kind::Sqlite).await;
    app.publish_all(webhooks).await;
    app.work_until_idle().await;
    without_ledger(rows(app.db()).await)
}

/// A webhook as the door would make it.
pub fn webhook(sent: &Sent) -> waha_ingest::webhook::Webhook {
    webhook_of("default", sent)
}

/// The same of a source.
pub fn webhook_of(source: &str, sent: &Sent) -> waha_ingest::webhook::Webhook {
    use waha_ingest::webhook::Receipt;
    use waha_ingest::webhook::verify::{RawRequest, TIMESTAMP_HEADER, verify};
    let headers = [
        ("x-webhook-request-id".to_owned(), sent.request_id.clone()),
        (TIMESTAMP_HEADER.to_owned(), sent.at_ms.to_string()),
    ];
    let request = RawRequest {
        hmac: None,
        hmac_algorithm: None,
        headers: headers.into(),
        body: sent.body.clone().into(),
    };
    verify(&Source::unverified(source), request, Receipt::new(), NOW_MS).unwrap().0
}

fn serve(config: &Config, queue: SqliteQueue, clock: Arc<FixedClock>) -> String {
    let sources = vec![Source::signed("default", &[KEY.into()])];
    let metrics = DoorMetrics::new(&["default".to_owned()]);
    let door = Door::new(sources, Arc::new(queue), clock, config.limits.clone(), metrics);
    let listener = waha_ingest::server::listen(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/webhooks/default", listener.local_addr().unwrap());
    tokio::spawn(serve_public(listener, Arc::new(door), config.stop_grace).unwrap());
    url
}

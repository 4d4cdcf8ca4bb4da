//! Files of messages: fetched and stored once with the right bytes, or given up with a reason; and whatever a
//! hostile link says, nobody but the configured servers is asked.

mod bucket;
mod checked;
mod hostile;
mod outages;
mod property;
mod removal;
pub mod s3;
mod served;
mod simulated;
mod storage;
mod traps;
pub mod waha;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use entity::waha_attachments::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use waha_ingest::media::storage::{MediaStorage, StorageOptions};
use waha_ingest::media::verify::verify;
use waha_ingest::media::{FetchLimits, Fetcher};
use waha_ingest::metrics::media::MediaMetrics;
use waha_ingest::retry::RetryPolicy;
use waha_ingest::store::KeptFiles;
use waha_ingest::store::operations::attachments::{AttachmentEnd, AttachmentState, LeftAlone};
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};

use crate::app::TestApp;
use crate::database::{Database, Kind, on_each_database};
use crate::wait::wait_for;
use waha::{Answer, KEY, Waha};

const PATIENCE: Duration = Duration::from_secs(60);
/// Largest file that is taken here.
const BYTES_MAX: u64 = 1 << 20;
const MINUTE_MS: i64 = 60_000;
/// What a PNG begins with.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand what follows";

on_each_database!(
    a_file_is_fetched_as_soon_as_its_message_is_stored,
    a_dead_link_has_waha_asked_again,
    a_worker_that_was_killed_leaves_its_file_to_others,
    a_link_that_comes_later_wakes_what_was_given_up,
);

/// An installation that keeps files of the session `sales`.
pub struct Keeping {
    pub app: TestApp,
    pub waha: Waha,
    pub folder: PathBuf,
    /// In that folder, unless a test says otherwise.
    pub storage: StorageOptions,
    /// Largest file that is taken.
    pub bytes_max: u64,
    /// Where presigned links may lead to.
    pub s3_origins: Vec<String>,
    _temporary: TempDir,
}

impl Keeping {
    pub async fn start(kind: Kind) -> Self {
        let sessions = vec![("default".to_owned(), "sales".to_owned())];
        Self::start_of(kind, KeptFiles { sources: vec!["default".to_owned()], sessions }).await
    }

    pub async fn start_of(kind: Kind, kept: KeptFiles) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let database = Database::create(kind).await;
        let app = TestApp::start_keeping(database, kept).await;
        let folder = temporary.path().join("media");
        let storage = StorageOptions::Folder(folder.clone());
        let (waha, bytes_max) = (Waha::start(), BYTES_MAX);
        let s3_origins = Vec::new();
        Self { app, waha, folder, storage, bytes_max, s3_origins, _temporary: temporary }
    }

    /// A fetcher of its own, with one retry after a minute.
    pub fn fetcher(&self) -> Arc<Fetcher> {
        self.fetcher_of(&self.waha.url)
    }

    /// The same for another WAHA.
    pub fn fetcher_of(&self, url: &str) -> Arc<Fetcher> {
        self.fetcher_at(url, 2)
    }

    /// The same with so many files at a time.
    pub fn fetcher_at(&self, url: &str, files: usize) -> Arc<Fetcher> {
        let once = RetryPolicy { delays: vec![Duration::from_secs(60)], jitter: 0.0 };
        self.fetcher_with(url, files, once)
    }

    /// The same that tries again as it is told.
    pub fn fetcher_with(&self, url: &str, files: usize, retries: RetryPolicy) -> Arc<Fetcher> {
        let storage = MediaStorage::open(&self.storage).unwrap();
        let api = WahaApi::new(WahaApiOptions {
            source: "default".to_owned(),
            url: url.parse().unwrap(),
            api_key: Some(SecretString::from(KEY)).into(),
            requests_per_minute: 6_000.try_into().unwrap(),
            concurrency: 4,
            s3_origins: self.s3_origins.clone(),
        });
        let limits = FetchLimits {
            poll: Duration::from_millis(20),
            retries,
            ..FetchLimits::new(self.bytes_max, files)
        };
        let (store, clock) = (Arc::clone(&self.app.store), self.app.clock.clone());
        let metrics = MediaMetrics::new();
        Arc::new(Fetcher::new(store, clock, vec![api.unwrap()], storage, limits, metrics))
    }

    /// Fetches until the answer is dropped.
    pub fn fetch(&self) -> DropGuard {
        run(self.fetcher())
    }

    /// A message with a file, told and stored.
    pub async fn tell(&self, message: &Told<'_>) {
        self.app.post_json(&message.webhook()).await;
        self.app.work_until_idle().await;
    }

    /// As if all had been told now by the clock of the test; rows have the database's.
    pub async fn set_told_now(&self) {
        let now = waha_ingest::clock::Clock::now(self.app.clock.as_ref());
        let set = Entity::update_many().col_expr(Column::CreatedAt, now.into());
        set.exec(self.app.db()).await.unwrap();
    }

    pub async fn row(&self, id: &str) -> Option<Model> {
        Entity::find().filter(Column::MessageId.eq(id)).one(self.app.db()).await.unwrap()
    }

    /// The row, once it is as is waited for.
    pub async fn row_when(&self, id: &str, what: &str, is_so: impl Fn(&Model) -> bool) -> Model {
        wait_for(what, PATIENCE, async || self.row(id).await.filter(|row| is_so(row))).await
    }

    pub async fn ended(&self, id: &str) -> Model {
        self.row_when(id, "what became of a file", |row| row.state != "waiting").await
    }

    /// Where WAHA has a file of the session.
    pub fn path(id: &str) -> String {
        format!("/api/files/sales/{id}.png")
    }

    pub fn link(&self, id: &str) -> String {
        format!("{}{}", self.waha.url, Self::path(id))
    }

    /// Where it answers for a message.
    pub fn message_path(id: &str) -> String {
        format!("/api/sales/chats/all/messages/{id}")
    }

    pub async fn assert_stored(&self, row: &Model, bytes: &[u8]) {
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("stored", None));
        let storage = MediaStorage::open(&self.storage).unwrap();
        verify(&storage, row).await.unwrap();
        assert_eq!(row.sha256, Some(hex::encode(Sha256::digest(bytes))));
        assert_eq!(row.size_bytes, Some(i64::try_from(bytes.len()).unwrap()));
        assert_eq!((row.leased_until, row.next_try_at), (None, None));
    }

    /// Empties the storage, as if nothing had been stored.
    pub fn discard_files(&self) {
        self.files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }

    /// Files in the storage, those included that are not finished.
    pub fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        below(&self.folder, &mut found);
        found
    }
}

pub fn run(fetcher: Arc<Fetcher>) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(fetcher.run(stop.clone()));
    stop.drop_guard()
}

/// What a webhook tells of a message with a file.
pub struct Told<'a> {
    pub id: &'a str,
    pub url: Option<&'a str>,
    /// What its hash is told of.
    pub hashed: Option<&'a [u8]>,
    pub file_name: &'a str,
    pub session: &'a str,
    /// In the order of tellings.
    pub at_s: i64,
    pub chat: &'a str,
}

impl<'a> Told<'a> {
    pub fn new(id: &'a str, url: Option<&'a str>) -> Self {
        let (hashed, file_name) = (None, "../../a\u{202e}gnp.png");
        let (at_s, chat) = (1_790_000_000, "12025550144@c.us");
        Self { id, url, hashed, file_name, session: "sales", at_s, chat }
    }

    fn webhook(&self) -> Value {
        let Self { id, url, session, at_s, chat, .. } = self;
        let jid = chat.replace("@c.us", "@s.whatsapp.net");
        let hash = self.hashed.map(|bytes| BASE64_STANDARD.encode(Sha256::digest(bytes)));
        let media = url
            .map(|url| json!({ "url": url, "filename": self.file_name, "mimetype": "image/png" }));
        json!({
            "id": format!("evt_{id}_{at_s}_{chat}"), "timestamp": at_s * 1000, "event": "message",
            "session": session, "engine": "NOWEB", "me": null,
            "payload": {
                "id": format!("false_{chat}_{id}"), "timestamp": at_s,
                "from": chat, "fromMe": false, "source": "app", "body": "look",
                "to": null, "participant": null, "hasMedia": true, "media": media,
                "_data": {
                    "key": { "remoteJid": jid, "fromMe": false, "id": id },
                    "messageTimestamp": at_s,
                    "message": { "imageMessage": {
                        "mimetype": "image/png", "caption": "look", "fileSha256": hash
                    } }
                }
            }
        })
    }
}

/// What WAHA answers for a message, with another link.
pub fn message(sample: &str, url: Option<&str>) -> Value {
    let mut message: Value = serde_json::from_str(sample).unwrap();
    if let Some(url) = url {
        message["media"]["url"] = json!(url);
    }
    // The sample's own is of no bytes that anybody knows.
    message["_data"]["message"]["imageMessage"]["fileSha256"] = Value::Null;
    // And so is its chat.
    message["id"] = Value::Null;
    message
}

pub const LOADED: &str = include_str!("media/samples/message.get.media.local.json");

async fn a_file_is_fetched_as_soon_as_its_message_is_stored(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let link = keeping.link("A1");
    keeping.tell(&Told { hashed: Some(PNG), ..Told::new("A1", Some(&link)) }).await;
    let row = keeping.ended("A1").await;
    keeping.assert_stored(&row, PNG).await;
    assert_eq!(row.mime_type.as_deref(), Some("image/png"));
    assert_eq!(row.storage_key.unwrap(), format!("default/sales/{}/1", row.id));
    assert_eq!(keeping.waha.asked(), [(Keeping::path("A1"), Some(KEY.to_owned()))]);
    let kinds = entity::waha_changes::Entity::find().all(keeping.app.db()).await.unwrap();
    let told = kinds.iter().filter(|change| change.kind == "attachment");
    assert_eq!(told.map(|change| change.row_id).collect::<Vec<_>>(), [row.id], "once it is there");
    // Told once more, and of another session: nothing is fetched.
    keeping.tell(&Told { at_s: 1_790_000_001, ..Told::new("A1", Some(&link)) }).await;
    keeping.tell(&Told { session: "private", ..Told::new("A2", Some(&link)) }).await;
    assert_eq!(keeping.row("A2").await, None);
    assert_eq!(keeping.row("A1").await.unwrap().state, "stored");
}

async fn a_dead_link_has_waha_asked_again(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let _fetching = keeping.fetch();
    let anew = keeping.link("A1-anew");
    keeping.waha.set(&Keeping::path("A1-anew"), Answer::Bytes(PNG.to_vec()));
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, message(LOADED, Some(&anew))));
    let dead = keeping.link("A1");
    keeping.tell(&Told { hashed: Some(PNG), ..Told::new("A1", Some(&dead)) }).await;
    let row = keeping.ended("A1").await;
    keeping.assert_stored(&row, PNG).await;
    let asked: Vec<String> = keeping.waha.asked().into_iter().map(|(path, _)| path).collect();
    let message = format!("{}?downloadMedia=true&merge=false", Keeping::message_path("A1"));
    assert_eq!(asked, [Keeping::path("A1"), message, Keeping::path("A1-anew")]);
}

async fn a_worker_that_was_killed_leaves_its_file_to_others(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let link = keeping.link("A1");
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&link))).await;
    let store = &keeping.app.store;
    let lease = Duration::from_secs(60);
    let killed = store.take_attachment(&LeftAlone::default(), lease).await.unwrap().unwrap();
    assert!(
        store.take_attachment(&LeftAlone::default(), lease).await.unwrap().is_none(),
        "somebody has it"
    );
    let _fetching = keeping.fetch();
    keeping.app.clock.advance(MINUTE_MS + 1);
    let row = keeping.ended("A1").await;
    keeping.assert_stored(&row, PNG).await;
    // It was only frozen, and ends now.
    let late = AttachmentEnd::Final { state: AttachmentState::Gone, reason: "expired" };
    assert!(!store.end_attachment(&killed, late).await.unwrap());
    assert!(!store.renew_attachment(&killed, lease).await.unwrap());
    assert_eq!(keeping.row("A1").await.unwrap(), row);
}

async fn a_link_that_comes_later_wakes_what_was_given_up(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let _fetching = keeping.fetch();
    // WAHA has not loaded it, and says so as of a type that it is not to load.
    let skipped = include_str!("media/samples/message.get.media.skipped-mimetype.json");
    let answer = Answer::Json(200, message(skipped, None));
    keeping.waha.set(&Keeping::message_path("A1"), answer);
    keeping.tell(&Told::new("A1", None)).await;
    let row = keeping.ended("A1").await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("gone", Some("switched_off")));
    let link = keeping.link("A1");
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told { at_s: 1_790_000_001, ..Told::new("A1", Some(&link)) }).await;
    let row = keeping.row_when("A1", "the file", |row| row.state == "stored").await;
    keeping.assert_stored(&row, PNG).await;
}

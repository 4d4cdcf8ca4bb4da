//! Files of messages beside the property of `healing`: those of messages that were found again are kept like others.

use std::collections::{BTreeMap, BTreeSet};

use entity::waha_attachments;
use tempfile::TempDir;
use waha_ingest::media::storage::{MediaStorage, StorageOptions};
use waha_ingest::media::verify::verify;
use waha_ingest::media::{FetchLimits, Fetcher};
use waha_ingest::metrics::media::MediaMetrics;
use waha_ingest::retry::RetryPolicy;
use waha_ingest::store::KeptFiles;

use super::*;
use crate::database::Database;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
/// After this a file is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// So often.
const RETRIES: usize = 8;
/// Largest file that is taken.
const BYTES_MAX: u64 = 1 << 20;

/// An installation that keeps files, and the WAHA whose lists it can read.
pub(super) struct Keeping {
    pub(super) it: Reconciling,
    folder: TempDir,
}

impl Keeping {
    pub(super) async fn start(kind: Kind, options: Options) -> Self {
        let kept = KeptFiles { sources: vec!["default".to_owned()], sessions: Vec::new() };
        let app = TestApp::start_keeping(Database::create(kind).await, kept).await;
        Self { it: Reconciling::start_on(app, options), folder: tempfile::tempdir().unwrap() }
    }

    fn storage(&self) -> MediaStorage {
        let options = StorageOptions::Folder(self.folder.path().to_owned());
        MediaStorage::open(&options).unwrap()
    }

    async fn rows(&self) -> Vec<waha_attachments::Model> {
        let rows = waha_attachments::Entity::find().order_by_asc(waha_attachments::Column::Id);
        rows.all(self.it.app.db()).await.unwrap()
    }

    /// Fetches until nothing waits any more.
    pub(super) async fn fetch_all(&self) {
        let limits = FetchLimits {
            poll: Duration::from_millis(10),
            retries: RetryPolicy { delays: vec![RETRY; RETRIES], jitter: 0.0 },
            ..FetchLimits::new(BYTES_MAX, 4)
        };
        let (store, clock) = (Arc::clone(&self.it.app.store), self.it.app.clock.clone());
        let (apis, metrics) = (vec![self.it.api()], MediaMetrics::new());
        let fetcher = Fetcher::new(store, clock, apis, self.storage(), limits, metrics);
        let stop = CancellationToken::new();
        let fetching = tokio::spawn(Arc::new(fetcher).run(stop.clone()));
        wait_for("all files to end", PATIENCE, async || {
            self.it.app.clock.advance(61_000);
            self.rows().await.iter().all(|row| row.state != "waiting").then_some(())
        })
        .await;
        stop.cancel();
        fetching.await.unwrap();
    }

    /// What became of the files, by session and bare id of their messages.
    pub(super) async fn files(&self) -> Files {
        let sessions = self.it.sessions().await.into_iter().map(|it| (it.id, it.name));
        let sessions: BTreeMap<i64, String> = sessions.collect();
        let storage = self.storage();
        let mut files = BTreeMap::new();
        for row in self.rows().await {
            if row.state == "stored" {
                verify(&storage, &row).await.unwrap();
            }
            let key = (sessions[&row.session_id].clone(), row.message_id.clone());
            let ended = (row.state, row.sha256, row.reason);
            files.entry(key).or_insert_with(BTreeSet::new).insert(ended);
        }
        Files(files)
    }
}

/// How a file ended: state, hash, reason.
type Ended = (String, Option<String>, Option<String>);

/// Files by the session and the bare id of their messages.
pub(super) struct Files(BTreeMap<(String, String), BTreeSet<Ended>>);

impl Files {
    /// Each file that a run without loss has is here, with the same bytes, unless its message is an exception; and
    /// nothing else is. Returns how many were stored in both.
    pub(super) fn assert_healed(
        &self,
        actual: &Self,
        is_exception: impl Fn(&str, &str) -> bool,
        seed: u64,
    ) -> usize {
        let mut stored = 0;
        for ((session, id), expected) in &self.0 {
            if is_exception(session, id) {
                continue;
            }
            let found = actual.0.get(&(session.clone(), id.clone()));
            assert_eq!(Some(expected), found, "seed {seed}: the file of {id} in {session}");
            stored += usize::from(expected.iter().any(|(state, ..)| state == "stored"));
        }
        let extra = actual.0.keys().find(|key| !self.0.contains_key(*key));
        assert_eq!(extra, None, "seed {seed}: nobody told it");
        stored
    }
}

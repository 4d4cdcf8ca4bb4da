//! Whatever happens, and whenever: each file that WAHA still had is stored once with the right bytes, and every
//! other has its final reason. Histories and accidents come from a seed: files expire, WAHA starts anew, answers
//! oddly or not at all, workers are killed, the storage takes nothing for a while, WhatsApp forgets.
//!
//! `MEDIA_SEEDS=100` tries that many, from `MEDIA_SEED_FIRST` on; storage and engine change with the seed.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::QueryOrder;
use tokio::task::JoinHandle;
use waha_ingest::simulate::api::{Failure, Fault, FileFate, KnownFile, Options, Served};
use waha_ingest::simulate::{Engine, Plan};

use super::s3::{Mood, S3};
use super::*;
use crate::asked;

on_each_database!(each_file_that_waha_had_is_stored_once_and_every_other_has_its_reason);

const ENGINES: [Engine; 4] = [Engine::Gows, Engine::Noweb, Engine::Webjs, Engine::Wpp];
/// Parts of a history, and accidents.
const PARTS: usize = 6;
const WEBHOOKS_OF_A_PART: usize = 120;
/// More than all accidents can use up.
const RETRIES: usize = 40;

/// An installation and its WAHA, and what can befall them.
struct Run {
    keeping: Keeping,
    waha: Served,
    s3: Option<S3>,
    rng: StdRng,
    worker: JoinHandle<()>,
    stop: CancellationToken,
}

async fn each_file_that_waha_had_is_stored_once_and_every_other_has_its_reason(kind: Kind) {
    let (mut stored, mut others) = (0, 0);
    for seed in asked("MEDIA_SEED_FIRST", 1)..=asked("MEDIA_SEEDS", 2) {
        let mut run = Run::start(kind, seed).await;
        run.live().await;
        let (kept, ended) = run.assert_sound(seed).await;
        stored += kept;
        others += ended;
        run.stop.cancel();
    }
    assert!(stored > 0 && others > 0, "{stored} stored, {others} with a reason");
    println!("{stored} files were stored, {others} have a reason");
}

impl Run {
    async fn start(kind: Kind, seed: u64) -> Self {
        let all = KeptFiles { sources: vec!["default".to_owned()], sessions: Vec::new() };
        let mut keeping = Keeping::start_of(kind, all).await;
        let s3 = seed.is_multiple_of(2).then(S3::start);
        if let Some(s3) = &s3 {
            keeping.storage = s3.options();
        }
        let engine = ENGINES[usize::try_from(seed / 2 % 4).unwrap()];
        let plan =
            Plan { seed, sessions: 2, engine: Some(engine), messages: 1_000, ..Plan::default() };
        let api_key = Some(SecretString::from(KEY));
        let waha = Served::start(Options { api_key, ..Options::of(plan) }).unwrap();
        let rng = StdRng::seed_from_u64(seed);
        let stop = CancellationToken::new();
        let worker = spawn(&keeping, &waha, &stop);
        Self { keeping, waha, s3, rng, worker, stop }
    }

    async fn live(&mut self) {
        let mut webhooks = self.waha.webhooks();
        for part in 0..PARTS {
            let sent: Vec<_> = webhooks.by_ref().take(WEBHOOKS_OF_A_PART).collect();
            self.keeping.app.publish_all(sent).await;
            let accident = self.rng.random_range(0..8);
            self.befall(accident).await;
            self.keeping.app.work_until_idle().await;
            if part == PARTS - 2 && self.rng.random_bool(0.5) {
                self.waha.forget_media();
            }
        }
        self.feel(Mood::Well);
        self.end().await;
    }

    async fn befall(&mut self, accident: u32) {
        match accident {
            // In time.
            0 => self.keeping.app.work_until_idle().await,
            1 => self.waha.advance(Duration::from_secs(self.rng.random_range(1..400))),
            2 => {
                self.waha.restart().await;
                self.waha.advance(Duration::from_secs(5));
            }
            3 => self.waha.expire_media(),
            4 => self.kill(),
            5 => self.feel(Mood::Full),
            6 => self.feel(Mood::Well),
            _ => {
                let failures = [
                    Failure::RateOverlimit,
                    Failure::Grpc(14),
                    Failure::Proxy(502),
                    Failure::CutOff,
                    Failure::Empty,
                    Failure::NotJson,
                ];
                let failure = failures[self.rng.random_range(0..failures.len())];
                // An empty answer for a message says that there is none: that is believed.
                let path = if failure == Failure::Empty { "/ping" } else { "/api" };
                let times = self.rng.random_range(1..6);
                self.waha.fail(Fault { path: path.to_owned(), times, failure });
            }
        }
    }

    /// As `kill -9`: what it had in hand stays leased.
    fn kill(&mut self) {
        // A process does not start without its folder.
        self.feel(Mood::Well);
        self.worker.abort();
        self.worker = spawn(&self.keeping, &self.waha, &self.stop);
    }

    /// The bucket takes nothing, or the folder is none.
    fn feel(&self, mood: Mood) {
        let folder = &self.keeping.folder;
        let aside = folder.with_extension("aside");
        match &self.s3 {
            Some(s3) => s3.feel(mood),
            None if mood == Mood::Well && aside.exists() => {
                std::fs::remove_file(folder).unwrap();
                std::fs::rename(aside, folder).unwrap();
            }
            None if mood != Mood::Well && !aside.exists() && folder.exists() => {
                std::fs::rename(folder, aside).unwrap();
                std::fs::write(folder, b"no folder").unwrap();
            }
            None => {}
        }
    }

    /// Lets time pass until nothing waits any more.
    async fn end(&self) {
        wait_for("all files to end", PATIENCE * 2, async || {
            self.keeping.app.clock.advance(MINUTE_MS + 1);
            let rows = self.rows().await;
            rows.iter().all(|row| row.state != "waiting").then_some(())
        })
        .await;
    }

    async fn rows(&self) -> Vec<Model> {
        let rows = Entity::find().order_by_asc(Column::Id);
        rows.all(self.keeping.app.db()).await.unwrap()
    }

    /// Returns how many files are stored, and how many ended otherwise.
    async fn assert_sound(&self, seed: u64) -> (usize, usize) {
        let rows = self.rows().await;
        let sessions = entity::waha_sessions::Entity::find().all(self.keeping.app.db()).await;
        let names: HashMap<i64, String> =
            sessions.unwrap().into_iter().map(|it| (it.id, it.name)).collect();
        let known = self.waha.known_files();
        let known: HashMap<(&str, &str), &KnownFile> =
            known.iter().map(|it| ((&*it.session, &*it.message_id), it)).collect();
        let storage = MediaStorage::open(&self.keeping.storage).unwrap();
        let mut kept = Vec::new();
        for row in &rows {
            let session = names[&row.session_id].as_str();
            let file = known.get(&(session, row.message_id.as_str()));
            assert_right(seed, row, file.copied(), self.waha.is_working(session));
            if row.state == "stored" {
                verify(&storage, row).await.unwrap();
                kept.push(row.storage_key.clone().unwrap());
            }
        }
        kept.sort();
        // What a killed or beaten worker left goes with the next file that is stored beside it, or stays unseen.
        let there = self.stored_keys();
        let lost: Vec<_> = kept.iter().filter(|key| !there.contains(key)).collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?}");
        let twice: Vec<_> = there.iter().filter(|key| !kept.contains(key)).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:?} is stored and nobody's");
        (kept.len(), rows.len() - kept.len())
    }

    fn stored_keys(&self) -> Vec<String> {
        if let Some(s3) = &self.s3 {
            return s3.objects().into_keys().collect();
        }
        let below =
            |path: PathBuf| path.strip_prefix(&self.keeping.folder).unwrap().display().to_string();
        self.keeping.files().into_iter().map(below).collect()
    }
}

fn spawn(keeping: &Keeping, waha: &Served, stop: &CancellationToken) -> JoinHandle<()> {
    let delays = vec![Duration::from_mins(1); RETRIES];
    let fetcher = keeping.fetcher_with(&waha.url(), 3, RetryPolicy { delays, jitter: 0.0 });
    tokio::spawn(fetcher.run(stop.clone()))
}

/// `is_working`: whether the row's session works in the end, and can be asked for the message.
fn assert_right(seed: u64, row: &Model, file: Option<&KnownFile>, is_working: bool) {
    let ended = (row.state.as_str(), row.reason.as_deref());
    let Some(file) = file else {
        // Not in the engine's store: what was had in time is there, else nobody knows the message.
        let is_right = [("stored", None), ("gone", Some("message_unknown"))].contains(&ended);
        assert!(is_right, "seed {seed}: {row:?}");
        return;
    };
    if ended.0 == "stored" {
        let is_turned = row.mime_type.as_deref() == Some("image/webp");
        let is_right = row.sha256.as_deref() == Some(file.sha256.as_str());
        assert!(is_right || is_turned, "seed {seed}: other bytes than {file:?} in {row:?}");
        return;
    }
    let expected = match file.fate {
        FileFate::Had => None,
        FileFate::Skipped => Some("switched_off"),
        FileFate::Gone => Some("expired"),
    };
    // As long as a session does not work nobody knows what WAHA still has; that is not asked for ever.
    let is_not_known = !is_working && ended == ("failed", Some("session_not_working"));
    // Of a message that was taken back meanwhile WAHA shows none.
    let reasons = [expected, Some("message_revoked")];
    let is_right = is_not_known || (ended.0 == "gone" && reasons.contains(&ended.1));
    assert!(expected.is_some() && is_right, "seed {seed}: {file:?} ended as {row:?}");
}

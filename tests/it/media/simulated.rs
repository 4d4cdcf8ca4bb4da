//! A history with files of every kind, of a simulated WAHA that deletes them, starts anew, and of which WhatsApp
//! forgets: what it still has is stored once with the right bytes, everything else has its reason.

use entity::waha_attachments::Column;
use sea_orm::QueryOrder;
use waha_ingest::simulate::api::{Options, Served};
use waha_ingest::simulate::{Engine, Plan, Sent};

use super::*;
use crate::asked;

on_each_database!(what_waha_still_has_is_stored_and_all_else_has_a_reason);

/// Messages of a part of the history.
const PART: usize = 150;

fn simulated(seed: u64, engine: Engine) -> Served {
    let plan = Plan { seed, sessions: 2, engine: Some(engine), messages: 1_000, ..Plan::default() };
    let api_key = Some(SecretString::from(KEY));
    Served::start(Options { api_key, ..Options::of(plan) }).unwrap()
}

/// An installation that keeps files of all sessions of this WAHA.
struct Simulated {
    keeping: Keeping,
    waha: Served,
}

impl Simulated {
    fn fetcher(&self) -> Arc<Fetcher> {
        self.keeping.fetcher_of(&self.waha.url())
    }

    async fn tell(&self, part: Vec<Sent>) {
        self.keeping.app.publish_all(part).await;
        self.keeping.app.work_until_idle().await;
    }

    /// In the order in which they were told.
    async fn rows(&self) -> Vec<Model> {
        let rows = Entity::find().order_by_asc(Column::Id);
        rows.all(self.keeping.app.db()).await.unwrap()
    }

    /// What became of all files that were told so far.
    async fn ended(&self) -> Vec<Model> {
        wait_for("all files to end", PATIENCE, async || {
            let rows = self.rows().await;
            rows.iter().all(|row| row.state != "waiting").then_some(rows)
        })
        .await
    }
}

async fn what_waha_still_has_is_stored_and_all_else_has_a_reason(kind: Kind) {
    for seed in 1..=asked("MEDIA_SEEDS", 1) {
        for engine in [Engine::Gows, Engine::Noweb] {
            let all = KeptFiles { sources: vec!["default".to_owned()], sessions: Vec::new() };
            let keeping = Keeping::start_of(kind, all).await;
            live_through(&Simulated { keeping, waha: simulated(seed, engine) }).await;
        }
    }
}

async fn live_through(all: &Simulated) {
    let mut webhooks = all.waha.webhooks();
    // In time.
    let fetching = run(all.fetcher());
    all.tell(webhooks.by_ref().take(PART * 3).collect()).await;
    let in_time = all.ended().await;
    assert!(in_time.iter().filter(|row| row.state == "stored").count() > 5, "{}", in_time.len());
    let downloads = all.waha.downloads();
    drop(fetching);
    // Too late: WAHA has started anew, and loads them once more.
    all.tell(webhooks.by_ref().take(PART * 3).collect()).await;
    all.waha.restart().await;
    all.waha.advance(Duration::from_secs(60));
    let fetching = run(all.fetcher());
    let late = all.ended().await;
    assert!(late.len() > in_time.len() && all.waha.downloads() > downloads);
    drop(fetching);
    // Far too late: nobody has them.
    all.tell(webhooks.by_ref().take(PART * 3).collect()).await;
    all.waha.forget_media();
    all.waha.expire_media();
    let _fetching = run(all.fetcher());
    let rows = all.ended().await;
    let gone = rows.iter().skip(late.len()).filter(|row| row.reason.as_deref() == Some("expired"));
    assert!(gone.count() > 5);
    assert_sound(all, &rows, late.len()).await;
}

/// `stored`: so many of the first rows are there, but for those that WAHA never had.
async fn assert_sound(all: &Simulated, rows: &[Model], stored: usize) {
    let storage = StorageOptions::Folder(all.keeping.folder.clone());
    let storage = MediaStorage::open(&storage).unwrap();
    for (place, row) in rows.iter().enumerate() {
        if row.state == "stored" {
            verify(&storage, row).await.unwrap();
        } else {
            assert!(row.reason.is_some() && (place >= stored || is_never(row)), "{row:?}");
        }
    }
    let kept = rows.iter().filter(|row| row.state == "stored").count();
    assert_eq!(all.keeping.files().len(), kept, "each once");
}

/// What this WAHA does not load, or never had.
fn is_never(row: &Model) -> bool {
    let never = ["switched_off", "message_unknown", "message_revoked", "expired"];
    never.contains(&row.reason.as_deref().unwrap_or(""))
}

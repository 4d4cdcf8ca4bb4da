//! The files of messages in the demo: a WAHA that deletes them, and what is kept of them.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use secrecy::SecretString;

use crate::cli::output::outln;
use crate::config::MediaConfig;
use crate::figures::grouped;
use crate::media::removal::RemovalRules;
use crate::media::storage::{MediaStorage, StorageOptions};
use crate::media::verify::verify;
use crate::simulate::Plan;
use crate::simulate::api::{Options, Served};
use crate::store::operations::attachments::{AttachmentFilter, AttachmentRow, AttachmentState};
use crate::store::operations::page::RowPage;
use crate::store::{KeptFiles, Store};
use crate::waha_api::WahaApiOptions;

/// The key of its API.
const API_KEY: &str = "demo of an api key";
/// Calls a minute: it has no account that could be blocked.
const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();
/// Largest file that is taken.
const BYTES_MAX: u64 = 10 << 20;
/// Files at a time.
const CONCURRENCY: usize = 4;
/// How long the last of them may take. What WAHA could not give at once is tried again in a minute.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than the demo has.
const ROWS_MAX: u64 = 10_000;

/// Share of webhooks that it never sends.
const LOSS: f64 = 0.2;

/// A WAHA whose webhooks are sent, but for a fifth, and which has the files of their messages for three minutes.
pub(super) fn waha(plan: Plan) -> anyhow::Result<Served> {
    let api_key = Some(SecretString::from(API_KEY));
    Ok(Served::start(Options { api_key, lose: LOSS, ..Options::of(plan) })?)
}

/// How that is asked.
pub(super) fn api(source: &str, waha: &Served) -> anyhow::Result<WahaApiOptions> {
    Ok(WahaApiOptions {
        source: source.to_owned(),
        url: waha.url().parse()?,
        api_key: Some(SecretString::from(API_KEY)).into(),
        requests_per_minute: REQUESTS_PER_MINUTE,
        concurrency: CONCURRENCY,
        s3_origins: Vec::new(),
    })
}

/// Keeps all files of a source.
pub(super) fn media(source: &str, folder: &Path) -> MediaConfig {
    MediaConfig {
        storage: StorageOptions::Folder(folder.join("media")),
        kept: KeptFiles { sources: vec![source.to_owned()], sessions: Vec::new() },
        bytes_max: BYTES_MAX,
        concurrency: CONCURRENCY,
        removal: RemovalRules::default(),
    }
}

/// Waits for the files, has WAHA delete its own, and looks whether ours are still right.
pub(super) async fn show(media: &MediaConfig, store: &Store, waha: &Served) -> anyhow::Result<()> {
    let started = Instant::now();
    while store.waiting_files().await?.count > 0 && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    waha.expire_media();
    let storage = MediaStorage::open(&media.storage)?;
    let rows = store.attachments(&AttachmentFilter::default(), RowPage::first(ROWS_MAX)).await?;
    let (stored, others): (Vec<AttachmentRow>, Vec<AttachmentRow>) =
        rows.into_iter().partition(|row| row.state == AttachmentState::Stored.name());
    ensure!(!stored.is_empty(), "no file of a message was stored");
    for row in &stored {
        verify(&storage, row).await.context("a stored file is damaged")?;
    }
    let size: i64 = stored.iter().filter_map(|row| row.size_bytes).sum();
    outln!(
        "WAHA has deleted its files by now; {} of them are kept ({} kB). Of {} messages it gave none.",
        stored.len(),
        grouped(u64::try_from(size)? / 1_000),
        others.len()
    );
    Ok(())
}

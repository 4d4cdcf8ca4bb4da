//! WAHA's part of `check`: whether its API answers and knows the key, whether it can reach the door at the URL that is
//! configured, and whether files can be kept.

use std::time::Duration;

use anyhow::{Context, anyhow};
use futures_util::future::join_all;

use super::line::CheckLine;
use super::machine;
use crate::config::{Config, MediaConfig, SourceConfig};
use crate::media::storage::{MediaStorage, S3Options, StorageError, StorageOptions};
use crate::registrar::check_reach;
use crate::waha_api::{WahaApi, WahaApiOptions};

/// How long WAHA, and a bucket, may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A line for each source with an API, and one for where files are kept.
pub(super) async fn check(config: &Config) -> Vec<CheckLine> {
    let options = config.sources.iter().filter_map(|source| source.waha.clone());
    let apis = options.map(async |options| CheckLine::of("WAHA", sessions(options).await));
    let mut lines = join_all(apis).await;
    lines.extend(config.sources.iter().filter_map(door));
    if let Some(MediaConfig { storage, .. }) = &config.media {
        lines.push(files(storage).await);
    }
    lines
}

/// Whether WAHA can reach the door, as far as that can be known from here: what `sources register` would refuse.
fn door(source: &SourceConfig) -> Option<CheckLine> {
    let door = &source.registration.as_ref()?.webhook.url;
    let place = format!("sources.{}.waha.webhook_url = {door}", source.name);
    let reach = check_reach(door, &source.waha.as_ref()?.url);
    let said = reach
        .with_context(|| place.clone())
        .map(|()| format!("{place}: may be reached from there"));
    Some(CheckLine::of("WAHA", said))
}

/// How many sessions WAHA shows to the key.
async fn sessions(options: WahaApiOptions) -> anyhow::Result<String> {
    let origin = options.url.origin().ascii_serialization();
    let place = format!("sources.{}.waha.url = {origin}", options.source);
    let api = WahaApi::new(options).with_context(|| place.clone())?;
    let answer = tokio::time::timeout(ANSWER_MAX, api.sessions()).await;
    let late = anyhow!("no answer within {} s: is this WAHA's port?", ANSWER_MAX.as_secs());
    let shown = answer.map_err(|_| late)?.with_context(|| place.clone())?;
    let key = "its API answers and shows sessions to this key";
    Ok(format!("{place}: {key} ({})", shown.len()))
}

async fn files(storage: &StorageOptions) -> CheckLine {
    const PART: &str = "files";
    match storage {
        StorageOptions::Folder(folder) => {
            machine::folder(PART, "media.folder", folder, machine::room_for_files)
        }
        StorageOptions::S3(bucket) => CheckLine::of(PART, reach(storage, bucket).await),
    }
}

async fn reach(storage: &StorageOptions, bucket: &S3Options) -> anyhow::Result<String> {
    let place = format!("media.s3.bucket = {}", bucket.bucket);
    let opened = MediaStorage::open(storage).with_context(|| place.clone())?;
    let asked = tokio::time::timeout(ANSWER_MAX, opened.probe()).await;
    let late = anyhow!("no answer within {} s", ANSWER_MAX.as_secs());
    asked.map_err(|_| late)?.map_err(named).with_context(|| place.clone())?;
    Ok(format!("{place}: answers, and knows the access key"))
}

/// In words that say each cause once.
fn named(error: StorageError) -> anyhow::Error {
    let StorageError::Failed(text) = error else { return error.into() };
    match text {
        text if text.contains("NoSuchBucket") => anyhow!("there is no such bucket"),
        text => anyhow!(text),
    }
}

//! What fetches and serves files of messages in this process, and where old rows are archived, as configured.

use std::sync::Arc;

use anyhow::Context;

use super::Parts;
use crate::archive::Archive;
use crate::config::{Config, MediaConfig};
use crate::media::removal::Removal;
use crate::media::storage::MediaStorage;
use crate::media::{FetchLimits, Fetcher};
use crate::store::Store;
use crate::waha_api::{WahaApi, WahaApiOptions};

/// Where files are; none if none are kept.
pub fn open_media(config: &Config) -> anyhow::Result<Option<MediaStorage>> {
    let Some(media) = &config.media else { return Ok(None) };
    let storage = MediaStorage::open(&media.storage).context("media")?;
    Ok(Some(storage))
}

/// Where the ledger's rows are kept before they go; none if nowhere.
pub fn open_archive(config: &Config) -> anyhow::Result<Option<Archive>> {
    let Some(options) = &config.archive else { return Ok(None) };
    Ok(Some(Archive::open(options).context("archive.url")?))
}

/// A client for each source that has an API, with a budget and a circuit breaker of its own.
pub(super) fn open_apis(config: &Config) -> anyhow::Result<Vec<WahaApi>> {
    let options = config.sources.iter().filter_map(|source| source.waha.clone());
    let api = |options: WahaApiOptions| {
        let section = format!("sources.{}.waha", options.source);
        WahaApi::new(options).context(section)
    };
    options.map(api).collect()
}

impl Parts {
    /// Who lets go of files in a process that works; none if none are kept.
    pub(super) fn removal(&self, store: &Arc<Store>) -> Option<Removal> {
        let (media, storage) = (self.config.media.as_ref()?, self.media.clone()?);
        Some(Removal::new(Arc::clone(store), Arc::clone(&self.clock), storage, media.removal))
    }

    /// Who fetches files in a process that works; none if none are kept.
    pub(super) fn fetcher(&self, store: &Arc<Store>) -> Option<Arc<Fetcher>> {
        let (Some(media), Some(storage)) = (&self.config.media, &self.media) else {
            return None;
        };
        let MediaConfig { bytes_max, concurrency, .. } = media;
        for api in &self.apis {
            self.metrics.media.begin(api.source());
        }
        Some(Arc::new(Fetcher::new(
            Arc::clone(store),
            Arc::clone(&self.clock),
            self.apis.clone(),
            storage.clone(),
            FetchLimits::new(*bytes_max, *concurrency),
            self.metrics.media.clone(),
        )))
    }
}

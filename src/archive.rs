//! Keeps what the ledger lets go of: files of JSON lines, packed with zstd, in a folder or on S3.
//!
//! Called by `retention` before rows go, and by `cli`, which reads them again.
//!
//! Reading order: `part`, what a file holds; `manifest`, what stands beside it; here, how both are written,
//! checked and read.
//!
//! Names are `webhooks/{month}/{number of the first row}-{hash}.jsonl.zst`, with `.manifest.json` beside it. A file
//! without its manifest is one that was not finished. Lines are those of `webhooks export`, with more in them.
//!
//! Invariant: who is told that a part is kept may delete its rows: it was read back, and every byte is the same. Rows
//! that were kept and not deleted, because the process was killed in between, are kept again: mostly in the same
//! file, whose name follows from its content; if a row changed meanwhile, in another one. Importing takes each once.

mod manifest;
mod part;

use std::io::Write;
use std::path::PathBuf;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::media::storage::{MediaStorage, StorageError, StorageOptions};
use crate::operations::ArchivePage;
use crate::store::operations::retention::month::Month;

pub use manifest::Manifest;
use part::Part;
pub use part::PartError;

/// What all keys begin with, behind the configured folder.
const WEBHOOKS: &str = "webhooks";
/// A manifest is a few hundred bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 16;
/// What the name of a manifest adds to that of its file.
const MANIFEST: &str = ".manifest.json";

/// Where an archive is to be.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// The folder, or the bucket.
    pub storage: StorageOptions,
    /// What keys in the bucket begin with; may be empty.
    pub prefix: String,
    /// As it was configured, for people.
    pub place: String,
}

/// Where it is.
#[derive(Clone)]
pub struct Archive {
    storage: MediaStorage,
    prefix: String,
    place: String,
}

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder or S3.
    #[error("{name} in the archive")]
    Storage {
        /// Which file.
        name: String,
        /// Why.
        #[source]
        source: StorageError,
    },
    /// What was read is not what was written.
    #[error("{name} in the archive is damaged: {problem}")]
    Damaged {
        /// Which file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of this machine.
    #[error("a file could not be written")]
    File(#[from] std::io::Error),
}

impl Archive {
    /// Opens it; makes the folder. What is wrong with S3 is seen when it is used.
    pub fn open(options: &ArchiveOptions) -> Result<Self, ArchiveError> {
        let ArchiveOptions { storage, prefix, place } = options;
        let opened = MediaStorage::open(storage);
        let storage =
            opened.map_err(|source| ArchiveError::Storage { name: place.clone(), source })?;
        Ok(Self { storage, prefix: prefix.clone(), place: place.clone() })
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Keeps rows of one month. They may go once this has returned.
    pub async fn keep(&self, month: Month, page: &ArchivePage) -> Result<Manifest, ArchiveError> {
        let part = Part::pack(page)?;
        let name = format!(
            "{}/{:020}-{}.jsonl.zst",
            self.folder(month),
            page.first_id,
            &part.sha256[..16]
        );
        self.write(&name, &part.bytes).await?;
        let manifest = Manifest::of(&name, month, page, &part);
        self.check(&manifest).await?;
        let told = format!("{name}{MANIFEST}");
        self.write(&told, &manifest.to_json()).await?;
        if self.manifest(&told).await? != manifest {
            return Err(damaged(&told, "it was not stored as it was written"));
        }
        Ok(manifest)
    }

    /// The manifests of a month, or of all, in the order of their rows.
    pub async fn manifests(&self, month: Option<Month>) -> Result<Vec<Manifest>, ArchiveError> {
        let folder = month.map_or_else(|| self.root(), |month| self.folder(month));
        let listed = self.storage.list(&folder).await;
        let mut names = listed.map_err(storage(&folder))?;
        names.retain(|name| name.ends_with(MANIFEST));
        names.sort_unstable();
        let mut manifests = Vec::with_capacity(names.len());
        for name in names {
            manifests.push(self.manifest(&name).await?);
        }
        Ok(manifests)
    }

    /// Reads a file and compares it with its manifest; returns it packed.
    pub async fn check(&self, manifest: &Manifest) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self.read(&manifest.file, manifest.packed_bytes).await?;
        if hex::encode(Sha256::digest(&bytes)) != manifest.sha256 {
            return Err(damaged(&manifest.file, "its SHA-256 is another one"));
        }
        let lines = part::check(&bytes, &manifest.plain_sha256);
        let lines = lines.map_err(|error| damaged(&manifest.file, &error.to_string()))?;
        if lines != manifest.webhooks {
            return Err(damaged(&manifest.file, "it has another number of lines"));
        }
        Ok(bytes)
    }

    /// Copies all of a month to one file, packed, each part checked; returns how many webhooks that are.
    pub async fn copy(&self, month: Month, to: &mut impl Write) -> Result<u64, ArchiveError> {
        let mut webhooks = 0;
        for manifest in self.manifests(Some(month)).await? {
            // Several frames one after another are a stream, too.
            to.write_all(&self.check(&manifest).await?)?;
            webhooks += manifest.webhooks;
        }
        to.flush()?;
        Ok(webhooks)
    }

    async fn manifest(&self, name: &str) -> Result<Manifest, ArchiveError> {
        let bytes = self.read(name, MANIFEST_BYTES_MAX).await?;
        Manifest::read(&bytes).map_err(|error| damaged(name, &error.to_string()))
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut upload = self.storage.upload(name);
        let written = upload.write(bytes.to_vec().into()).await;
        match written {
            Ok(()) => upload.finish().await.map_err(storage(name)),
            Err(error) => {
                upload.abort().await;
                Err(storage(name)(error))
            }
        }
    }

    /// No more than so many bytes.
    async fn read(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, ArchiveError> {
        let parts = self.storage.read(name, 0..bytes_max).await.map_err(storage(name))?;
        let parts: Vec<_> = parts.try_collect().await.map_err(storage(name))?;
        Ok(parts.concat())
    }

    fn root(&self) -> String {
        if self.prefix.is_empty() {
            return WEBHOOKS.to_owned();
        }
        format!("{}/{WEBHOOKS}", self.prefix)
    }

    fn folder(&self, month: Month) -> String {
        format!("{}/{month}", self.root())
    }
}

fn storage(name: &str) -> impl Fn(StorageError) -> ArchiveError {
    move |source| ArchiveError::Storage { name: name.to_owned(), source }
}

fn damaged(name: &str, problem: &str) -> ArchiveError {
    ArchiveError::Damaged { name: name.to_owned(), problem: problem.to_owned() }
}

/// The folder of a place such as `file:///srv/archive` or `/srv/archive`; none of one on S3.
pub fn folder_of(url: &str) -> Option<PathBuf> {
    if url.starts_with("s3://") {
        return None;
    }
    Some(PathBuf::from(url.strip_prefix("file://").unwrap_or(url)))
}

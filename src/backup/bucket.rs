//! Backups in a bucket on S3: each is a folder of it, as it is one of a disk.
//!
//! Invariant: the manifest is written last, once every other file was read back and is the same; and it goes first. So
//! what has a manifest is whole.

use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::BackupError;
use super::manifest::{KNOWN, Manifest, NAME};
use crate::media::storage::{MediaStorage, S3Options, StorageError, StorageOptions};

/// Bytes that are read at a time.
const AT_ONCE: usize = 1 << 20;
/// A manifest is a few hundred bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 16;

/// A folder of a bucket, in which backups are kept.
pub struct Bucket {
    storage: MediaStorage,
    /// Without a slash at either end; may be empty.
    folder: String,
    /// As it was named.
    place: String,
}

impl Bucket {
    /// The one of this name, `s3://BUCKET/FOLDER`; none if it is a folder of this machine. Asks nothing.
    pub fn named(place: &str, options: &S3Options) -> Result<Option<Self>, BackupError> {
        let Some(path) = place.strip_prefix("s3://") else { return Ok(None) };
        let (bucket, folder) = path.split_once('/').unwrap_or((path, ""));
        let options = S3Options { bucket: bucket.to_owned(), ..options.clone() };
        let opened = MediaStorage::open(&StorageOptions::S3(options));
        let storage = opened.map_err(BackupError::bucket(place))?;
        let (folder, place) = (folder.trim_matches('/').to_owned(), place.to_owned());
        Ok(Some(Self { storage, folder, place }))
    }

    /// Where the backup of this name is.
    pub fn place_of(&self, name: &str) -> String {
        format!("{}/{name}", self.place.trim_end_matches('/'))
    }

    /// Stores the backup in a folder of this machine under its name.
    pub async fn store(&self, folder: &Path, name: &str) -> Result<(), BackupError> {
        for file in &Manifest::read(folder)?.files {
            self.store_file(&folder.join(&file.name), &self.key(name, &file.name)).await?;
        }
        self.store_file(&folder.join(NAME), &self.key(name, NAME)).await
    }

    /// Brings the backup of this bucket's folder into a folder that is there.
    pub async fn bring(&self, into: &Path) -> Result<(), BackupError> {
        let key = self.key("", NAME);
        self.bring_file(&key, MANIFEST_BYTES_MAX, &into.join(NAME)).await?;
        for file in Manifest::parse(into)?.files {
            let path = into.join(&file.name);
            self.bring_file(&self.key("", &file.name), file.bytes, &path).await?;
        }
        Ok(())
    }

    /// Removes all whole backups but for the newest `count`, and what older ones that were cut off have left; returns the
    /// names of the whole ones.
    pub async fn keep(&self, count: usize) -> Result<Vec<String>, BackupError> {
        let mut keys = self.storage.list(&self.folder).await.map_err(self.problem())?;
        keys.retain(|key| self.is_of_backup(key));
        // A name is a time, so that the oldest comes first.
        keys.sort_unstable();
        let whole: Vec<String> =
            keys.iter().filter_map(|key| Some(key.strip_suffix(NAME)?.to_owned())).collect();
        let Some(oldest_kept) = whole.len().checked_sub(count).and_then(|it| whole.get(it)) else {
            return Ok(Vec::new());
        };
        let old = keys.iter().filter(|key| key.as_str() < oldest_kept.as_str());
        let (manifests, files): (Vec<&String>, Vec<&String>) =
            old.partition(|key| key.ends_with(NAME));
        for key in manifests.into_iter().chain(files) {
            self.storage.remove(key).await.map_err(self.problem())?;
        }
        let name =
            |folder: &String| folder.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
        Ok(whole.iter().filter(|it| *it < oldest_kept).filter_map(name).collect())
    }

    /// Whether it is a file of a backup in this folder, and nobody else's.
    fn is_of_backup(&self, key: &str) -> bool {
        let below = key.strip_prefix(&self.folder).map(|key| key.trim_start_matches('/'));
        let (_, file) = below.and_then(|key| key.split_once('/')).unwrap_or_default();
        file == NAME || KNOWN.contains(&file)
    }

    fn key(&self, name: &str, file: &str) -> String {
        let parts = [self.folder.as_str(), name, file];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    async fn store_file(&self, path: &Path, key: &str) -> Result<(), BackupError> {
        let mut file = File::open(path).await.map_err(BackupError::file(path))?;
        let (mut upload, mut hash, mut bytes) = (self.storage.upload(key), Sha256::new(), 0);
        loop {
            let mut part = vec![0; AT_ONCE];
            let read = file.read(&mut part).await.map_err(BackupError::file(path))?;
            if read == 0 {
                break;
            }
            part.truncate(read);
            bytes += read as u64;
            hash.update(&part);
            upload.write(Bytes::from(part)).await.map_err(self.problem())?;
        }
        upload.finish().await.map_err(self.problem())?;
        if self.hash_of(key, bytes).await? != hash.finalize()[..] {
            return Err(BackupError::unusable(path, format!("{key} was not stored as it is")));
        }
        Ok(())
    }

    async fn hash_of(&self, key: &str, bytes: u64) -> Result<Vec<u8>, BackupError> {
        let mut hash = Sha256::new();
        let mut parts = self.storage.read(key, 0..bytes).await.map_err(self.problem())?;
        while let Some(part) = parts.try_next().await.map_err(self.problem())? {
            hash.update(&part);
        }
        Ok(hash.finalize().to_vec())
    }

    async fn bring_file(&self, key: &str, bytes: u64, path: &Path) -> Result<(), BackupError> {
        let mut file = File::create_new(path).await.map_err(BackupError::file(path))?;
        let mut parts = self.storage.read(key, 0..bytes).await.map_err(self.problem())?;
        while let Some(part) = parts.try_next().await.map_err(self.problem())? {
            file.write_all(&part).await.map_err(BackupError::file(path))?;
        }
        file.sync_all().await.map_err(BackupError::file(path))
    }

    fn problem(&self) -> impl Fn(StorageError) -> BackupError {
        BackupError::bucket(&self.place)
    }
}

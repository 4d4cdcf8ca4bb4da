//! Where files are: a folder, or a bucket on S3.
//!
//! Keys are `{source}/{session}/{attachment id}/{lease number}`: each try has its own, and all that was ever
//! stored of an attachment, of a session or of a source has one beginning.

mod connector;
mod folder;
mod presigned;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use connector::OurClient;
use folder::OpenedFolder;
pub use presigned::{PresignedLink, SavedAs};

/// Bytes that are gathered before they are written; S3 takes no smaller parts.
const PART_BYTES: usize = 5 << 20;
/// How often a request to S3 is repeated, and for how long: a fetcher that waits holds a file that WAHA may delete.
const RETRIES_MAX: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest account of an error.
const WORDS_CHARS_MAX: usize = 300;
/// Longest code of an error that is believed to be one of S3.
const CODE_BYTES_MAX: usize = 64;
/// Longest name of a session that stands in a key as it is; WAHA's are up to 54.
const NAME_CHARS_MAX: usize = 64;

/// Where files are to be.
#[derive(Clone, Debug)]
pub enum StorageOptions {
    /// In this folder, which is made.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Options),
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// Its name.
    pub bucket: String,
    /// The region; servers other than Amazon's mostly take any.
    pub region: String,
    /// `http://` or `https://`; none: Amazon's own.
    pub endpoint: Option<String>,
    /// Who asks.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// Whether the bucket stands in the path; else in the host's name.
    pub has_path_style: bool,
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It is not there.
    #[error("the file is not in the storage")]
    Missing,
    /// The disk is full or broken, S3 does not answer, and the like. In few words: what a server or its proxy answers
    /// may be long, and hold what is nobody's business.
    #[error("the storage failed: {0}")]
    Failed(String),
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error => Self::Failed(few_words(&error.to_string())),
        }
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(few_words(&error.to_string()))
    }
}

/// The beginning of what an error says: S3's own code in place of the answer that holds it.
fn few_words(text: &str) -> String {
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| code).filter(|code| is_code(code)).unwrap_or_default();
    let end = text.find(['<', '\n']).unwrap_or(text.len());
    let begin: String = text[..end].chars().take(WORDS_CHARS_MAX).collect();
    format!("{}{code}", begin.trim_end_matches(code))
}

fn is_code(text: &str) -> bool {
    text.len() <= CODE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Where files are.
#[derive(Clone)]
pub struct MediaStorage {
    store: Arc<dyn ObjectStore>,
    /// Where that is, if it is a folder.
    folder: Option<OpenedFolder>,
    /// Who signs links to files; none with a folder.
    bucket: Option<Arc<AmazonS3>>,
}

/// A file on its way out.
pub type StoredBytes = BoxStream<'static, Result<Bytes, StorageError>>;

impl MediaStorage {
    /// Opens it; makes the folder. What is wrong with S3 is seen when it is used.
    pub fn open(options: &StorageOptions) -> Result<Self, StorageError> {
        match options {
            StorageOptions::Folder(folder) => {
                let opened = OpenedFolder::open(folder)?;
                // Durable before the row says so: without this a file may be empty after a crash.
                let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
                Ok(Self { store: Arc::new(store), folder: Some(opened), bucket: None })
            }
            StorageOptions::S3(options) => {
                let bucket = Arc::new(bucket(options).build()?);
                let store = Arc::clone(&bucket) as Arc<dyn ObjectStore>;
                Ok(Self { store, folder: None, bucket: Some(bucket) })
            }
        }
    }

    /// Begins to write a file.
    pub fn upload(&self, key: &str) -> Upload {
        let writer = BufWriter::with_capacity(Arc::clone(&self.store), key.into(), PART_BYTES);
        Upload { writer: writer.with_max_concurrency(1), folder: self.folder.clone() }
    }

    /// How long a file is, in bytes.
    pub async fn size(&self, key: &str) -> Result<u64, StorageError> {
        Ok(self.store.head(&Path::from(key)).await?.size)
    }

    /// Reads a part of a file, which must be within it.
    pub async fn read(&self, key: &str, range: Range<u64>) -> Result<StoredBytes, StorageError> {
        if range.is_empty() {
            // Whether it is there at all.
            self.size(key).await?;
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&Path::from(key), options).await?;
        Ok(found.into_stream().map_err(StorageError::from).boxed())
    }

    /// Whether the bucket is there and takes the key: asks for the first name in it.
    pub async fn probe(&self) -> Result<(), StorageError> {
        Ok(self.store.list(None).next().await.transpose().map(drop)?)
    }

    /// Removes a file; one that is not there is no error.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        match self.store.delete(&Path::from(key)).await.map_err(StorageError::from) {
            Err(StorageError::Missing) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        if let (Some(folder), Some((parent, _))) = (&self.folder, key.rsplit_once('/')) {
            folder.tidy(parent).await;
        }
        Ok(())
    }

    /// The keys below a folder.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let found = self.store.list(Some(&Path::from(folder)));
        Ok(found.map_ok(|object| object.location.to_string()).try_collect().await?)
    }

    /// Removes what other tries left beside a file: whole files, and in a folder what a process wrote that was
    /// killed. What is left so on S3, a rule of the bucket removes.
    pub async fn remove_beside(&self, key: &str) -> Result<(), StorageError> {
        let Some((parent, _)) = key.rsplit_once('/') else { return Ok(()) };
        let keys = self.list(parent).await?;
        for other in keys.iter().filter(|other| *other != key) {
            self.remove(other).await?;
        }
        match &self.folder {
            Some(folder) => Ok(folder.remove_unfinished(parent).await?),
            None => Ok(()),
        }
    }
}

fn bucket(options: &S3Options) -> AmazonS3Builder {
    let S3Options { bucket, region, endpoint, access_key_id, secret_access_key, has_path_style } =
        options;
    let is_plain = endpoint.as_ref().is_some_and(|url| url.starts_with("http:"));
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(access_key_id)
        .with_secret_access_key(secret_access_key.expose_secret())
        .with_virtual_hosted_style_request(!has_path_style)
        .with_allow_http(is_plain)
        // One at a time is what every server knows, and needs no right to list or to delete many.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
        })
        .with_http_connector(OurClient { is_plain });
    match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
}

/// A file that is being written: there only once it is finished.
pub struct Upload {
    writer: BufWriter,
    folder: Option<OpenedFolder>,
}

impl Upload {
    /// Adds bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.check_folder()?;
        Ok(self.writer.put(bytes).await?)
    }

    /// Makes it durable and visible.
    pub async fn finish(mut self) -> Result<(), StorageError> {
        self.check_folder()?;
        Ok(self.writer.shutdown().await?)
    }

    fn check_folder(&self) -> Result<(), StorageError> {
        self.folder.as_ref().map_or(Ok(()), |folder| Ok(folder.check()?))
    }

    /// Takes back what was written. What can't be taken back is not visible.
    pub async fn abort(mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::debug!(error = %error, "can't take back a part of a file");
        }
    }
}

/// Where a try writes a file.
pub fn key(source: &str, session: &str, attachment_id: i64, lease_number: i64) -> String {
    format!("{}/{}/{attachment_id}/{lease_number}", segment(source), segment(session))
}

/// A name as a part of a key: as it is, if it is one that WAHA takes; else its hash, which is longer than those.
fn segment(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("_{}", hex::encode(Sha256::digest(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_little() {
        let answer = "Server returned 403: <?xml?>\n<Error><Code>AccessDenied</Code><AWSAccessKeyId>AK</AWSAccessKeyId>";
        assert_eq!(few_words(answer), "Server returned 403: AccessDenied");
        assert_eq!(few_words("No space left on device"), "No space left on device");
        assert_eq!(few_words("x\nsecret"), "x");
        assert_eq!(few_words("<Code>a b</Code>"), "");
        assert_eq!(few_words(&"x".repeat(1 << 20)).len(), WORDS_CHARS_MAX);
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        assert_eq!(key("main", "sales_1", 7, 2), "main/sales_1/7/2");
        for odd in ["..", "a/b", "", "é", "a b", "a\0", &"x".repeat(300)] {
            let key = key("main", odd, 7, 2);
            let parts: Vec<&str> = key.split('/').collect();
            assert!(parts.len() == 4 && parts[1].starts_with('_') && parts[1].len() == 65, "{key}");
            assert_eq!(Path::from(key.as_str()).to_string(), key, "kept as it is");
        }
    }
}

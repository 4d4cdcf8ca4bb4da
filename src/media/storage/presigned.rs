//! Links by which whoever has them gets a file from S3 without a key, for a while.

use std::time::Duration;

use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use reqwest::{Method, Url};

use super::{MediaStorage, StorageError};

/// A link; opens the file, so it is as secret as the file.
#[derive(Clone, Debug)]
pub struct PresignedLink(pub Url);

/// What S3 is to tell a browser of the file: a stranger sent it.
#[derive(Clone, Copy, Debug)]
pub struct SavedAs<'a> {
    /// Its type, one that no browser runs.
    pub content_type: &'a str,
    /// That it is saved, and under which name.
    pub disposition: &'a str,
}

impl MediaStorage {
    /// A link to a file that holds for so long; none with a folder. Asks nobody: the file may be missing.
    pub async fn presigned(
        &self,
        key: &str,
        saved_as: SavedAs<'_>,
        lasts: Duration,
    ) -> Result<Option<PresignedLink>, StorageError> {
        let Some(bucket) = &self.bucket else { return Ok(None) };
        let options = SignedUrlOptions::default().with_query([
            ("response-content-type", saved_as.content_type),
            ("response-content-disposition", saved_as.disposition),
            ("response-cache-control", "private, no-cache"),
        ]);
        let url = bucket.signed_url_opts(Method::GET, &Path::from(key), lasts, &options).await?;
        Ok(Some(PresignedLink(url)))
    }
}

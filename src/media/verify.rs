//! Whether what is stored is what was stored: reads a file whole and compares.

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::storage::{MediaStorage, StorageError};
use crate::store::operations::attachments::AttachmentRow;

/// What is wrong with a stored file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is not there.
    #[error("missing")]
    Missing,
    /// It is shorter or longer, or holds other bytes.
    #[error("other bytes")]
    Other,
    /// It could not be read.
    #[error("can't be read")]
    Unreadable(#[source] StorageError),
}

/// Reads a stored file and compares it with its row.
pub async fn verify(storage: &MediaStorage, row: &AttachmentRow) -> Result<(), Damage> {
    let (Some(key), Some(told)) = (&row.storage_key, &row.sha256) else {
        return Err(Damage::Missing);
    };
    let size = row.size_bytes.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let read = async {
        if storage.size(key).await? != size {
            return Ok((String::new(), 0));
        }
        let mut bytes = storage.read(key, 0..size).await?;
        let (mut hasher, mut length) = (Sha256::new(), 0);
        while let Some(part) = bytes.try_next().await? {
            length += part.len() as u64;
            hasher.update(&part);
        }
        Ok((hex::encode(hasher.finalize()), length))
    };
    match read.await {
        Ok((sha256, length)) if sha256 == *told && length == size => Ok(()),
        Ok(_) => Err(Damage::Other),
        Err(StorageError::Missing) => Err(Damage::Missing),
        Err(error) => Err(Damage::Unreadable(error)),
    }
}

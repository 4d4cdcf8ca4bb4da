//! `[archive]`: where the ledger's rows are kept before they go.

use super::reader::Reader;
use super::s3;
use crate::archive::{ArchiveOptions, folder_of};
use crate::media::storage::StorageOptions;

/// None if they are kept nowhere.
pub(super) fn read(reader: &mut Reader) -> Option<ArchiveOptions> {
    let url = reader.optional_text("archive.url").unwrap_or_default();
    let on_s3 = url.strip_prefix("s3://");
    let (bucket, prefix) = on_s3.map_or(("", ""), |it| it.split_once('/').unwrap_or((it, "")));
    let needed_with = (!bucket.is_empty()).then_some("an archive on S3");
    let s3 = s3::read(reader, "archive", bucket, needed_with);
    let is_folder = on_s3.is_none() && (!url.contains("://") || url.starts_with("file:///"));
    let rule = "must be a folder, file:///folder or s3://bucket/folder";
    reader.check("archive.url", is_folder || !bucket.is_empty(), rule);
    if url.is_empty() {
        return None;
    }
    let storage = folder_of(&url).map_or(StorageOptions::S3(s3), StorageOptions::Folder);
    let prefix = prefix.trim_matches('/').to_owned();
    Some(ArchiveOptions { storage, prefix, place: url })
}

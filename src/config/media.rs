//! `[media]`: whether and where files of messages are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::reader::Reader;
use super::source::SourceConfig;
use crate::media::removal::RemovalRules;
use crate::media::storage::{S3Options, StorageOptions};
use crate::store::KeptFiles;

/// The folder below the data folder, if no other is named.
const FOLDER: &str = "media";
/// A hundred years.
const DAYS_MAX: u64 = 36_500;

/// How files of messages are kept.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where.
    pub storage: StorageOptions,
    /// Of which sessions.
    pub kept: KeptFiles,
    /// Largest file that is taken.
    pub bytes_max: u64,
    /// Files at a time.
    pub concurrency: usize,
    /// What is let go of.
    pub removal: RemovalRules,
}

/// None if no files are kept.
pub(super) fn read(
    reader: &mut Reader,
    data_dir: &Path,
    sources: &[SourceConfig],
) -> Option<MediaConfig> {
    let is_enabled = reader.flag("media.enabled");
    let sources: Vec<String> =
        sources.iter().filter(|it| it.waha.is_some()).map(|it| it.name.clone()).collect();
    let problem = "no source has a [sources.NAME.waha]: say where WAHA's API is";
    reader.check("media.enabled", !is_enabled || !sources.is_empty(), problem);
    let is_s3 = reader.choice("media.storage", &[("folder", false), ("s3", true)]);
    let folder = folder(reader, data_dir);
    let s3 = read_s3(reader, is_enabled && is_s3);
    let config = MediaConfig {
        storage: if is_s3 { StorageOptions::S3(s3) } else { StorageOptions::Folder(folder) },
        kept: KeptFiles { sessions: read_sessions(reader, is_enabled, &sources), sources },
        bytes_max: reader.number("media.bytes_max", 1 << 10, 1 << 32),
        concurrency: reader.number("media.concurrency", 1, 64),
        removal: read_removal(reader),
    };
    is_enabled.then_some(config)
}

fn read_removal(reader: &mut Reader) -> RemovalRules {
    let days: u64 = reader.number("media.keep_days", 0, DAYS_MAX);
    RemovalRules {
        age_max: (days > 0).then(|| Duration::from_hours(24 * days)),
        removes_revoked: reader.choice("media.revoked", &[("keep", false), ("remove", true)]),
    }
}

fn folder(reader: &mut Reader, data_dir: &Path) -> PathBuf {
    let folder = reader.optional_text("media.folder");
    let folder = folder.map_or_else(|| data_dir.join(FOLDER), PathBuf::from);
    reader.show("media.folder", format_args!("{:?}", folder.display().to_string()));
    folder
}

fn read_s3(reader: &mut Reader, is_needed: bool) -> S3Options {
    let endpoint = reader.optional_text("media.s3.endpoint");
    let is_url = |text: &String| {
        let url = Url::parse(text).ok();
        url.is_some_and(|url| ["http", "https"].contains(&url.scheme()))
    };
    let rule = "must be an http:// or https:// URL";
    reader.check("media.s3.endpoint", endpoint.as_ref().is_none_or(is_url), rule);
    let secret = reader.secret("media.s3.secret_access_key", "media.s3.secret_access_key_file");
    let mut needed = |key: &str| {
        let text = reader.optional_text(key);
        reader.check(
            key,
            !is_needed || text.is_some(),
            "must not be empty with media.storage = \"s3\"",
        );
        text.unwrap_or_default()
    };
    let (bucket, region) = (needed("media.s3.bucket"), needed("media.s3.region"));
    let access_key_id = needed("media.s3.access_key_id");
    let problem = "no secret: give one, or a file with it";
    reader.check("media.s3.secret_access_key", !is_needed || secret.is_some(), problem);
    S3Options {
        bucket,
        region,
        endpoint,
        access_key_id,
        secret_access_key: secret.unwrap_or_default(),
        has_path_style: reader.flag("media.s3.path_style"),
    }
}

/// `sources`: those that have an API, without which no file is fetched.
fn read_sessions(
    reader: &mut Reader,
    is_enabled: bool,
    sources: &[String],
) -> Vec<(String, String)> {
    let key = "media.sessions";
    let mut sessions = Vec::new();
    for text in reader.list(key) {
        let parts = text.split_once('/');
        match parts.filter(|(source, name)| !source.is_empty() && !name.is_empty()) {
            Some((source, name)) => {
                let is_known = sources.iter().any(|it| it == source);
                let known = sources.join(", ");
                let problem =
                    format!("{text:?}: no source {source} has an API; these have: {known}");
                reader.check(key, is_known || !is_enabled || sources.is_empty(), problem);
                sessions.push((source.to_owned(), name.to_owned()));
            }
            None => reader.check(key, false, format_args!("{text:?} is not SOURCE/SESSION")),
        }
    }
    sessions
}

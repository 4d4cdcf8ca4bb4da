//! `[….s3]`: a bucket, for what is kept beside the tables.

use reqwest::Url;

use super::reader::Reader;
use crate::media::storage::S3Options;

/// The bucket of a section; its name comes from elsewhere. `needed_with`: with what a key must be there.
pub(super) fn read(
    reader: &mut Reader,
    section: &str,
    bucket: &str,
    needed_with: Option<&str>,
) -> S3Options {
    let key = |name: &str| format!("{section}.s3.{name}");
    let endpoint = reader.optional_text(&key("endpoint"));
    let is_url = |text: &String| {
        let url = Url::parse(text).ok();
        url.is_some_and(|url| ["http", "https"].contains(&url.scheme()))
    };
    let rule = "must be an http:// or https:// URL";
    reader.check(&key("endpoint"), endpoint.as_ref().is_none_or(is_url), rule);
    let secret_key = key("secret_access_key");
    let secret = reader.secret(&secret_key, &key("secret_access_key_file"));
    let problem = "no secret: give one, or a file with it";
    reader.check(&secret_key, needed_with.is_none() || secret.is_some(), problem);
    let access_key_id = reader.optional_text(&key("access_key_id"));
    let is_there = needed_with.is_none() || access_key_id.is_some();
    let needed_with = needed_with.unwrap_or_default();
    let rule = format_args!("must not be empty with {needed_with}");
    reader.check(&key("access_key_id"), is_there, rule);
    S3Options {
        bucket: bucket.to_owned(),
        region: reader.text(&key("region")),
        endpoint,
        access_key_id: access_key_id.unwrap_or_default(),
        secret_access_key: secret.unwrap_or_default(),
        has_path_style: reader.flag(&key("path_style")),
    }
}

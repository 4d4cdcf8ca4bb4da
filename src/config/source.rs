//! `[sources.NAME]`: a WAHA server and its keys.

use secrecy::SecretString;

use super::reader::Reader;
use crate::webhook::source::Source;

/// A configured WAHA server.
pub struct SourceConfig {
    /// Its name in the URL.
    pub name: String,
    /// How its webhooks are verified.
    pub verification: Verification,
}

/// How a source's webhooks are verified.
pub enum Verification {
    /// By HMAC-SHA512 with one of these keys.
    HmacSha512(Vec<SecretString>),
    /// Not at all.
    None,
}

impl SourceConfig {
    /// The source as the door uses it.
    pub fn source(&self) -> Source {
        match &self.verification {
            Verification::HmacSha512(keys) => Source::signed(&self.name, keys),
            Verification::None => Source::unverified(&self.name),
        }
    }
}

pub(super) fn read_all(reader: &mut Reader) -> Vec<SourceConfig> {
    reader.names_below("sources").into_iter().map(|name| read(reader, name)).collect()
}

fn read(reader: &mut Reader, name: String) -> SourceConfig {
    let key = |field: &str| format!("sources.{name}.{field}");
    let keys = keys(reader, &key("hmac_keys"), &key("hmac_keys_file"));
    let verifies = match reader.optional_text(&key("verify")) {
        Some(_) => reader.choice(&key("verify"), &[("hmac-sha512", true), ("none", false)]),
        None => true,
    };
    reader.check(
        &key("hmac_keys"),
        !verifies || !keys.is_empty(),
        "no key: give one, or say verify = \"none\"",
    );
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let is_right = name.len() <= 64 && name.chars().all(is_name);
    reader.check(&format!("sources.{name}"), is_right, "a name is 1 to 64 of a-z, 0-9, - and _");
    let verification = if verifies { Verification::HmacSha512(keys) } else { Verification::None };
    SourceConfig { name, verification }
}

fn keys(reader: &mut Reader, key: &str, file_key: &str) -> Vec<SecretString> {
    let mut keys = reader.list(key);
    if let Some(file) = reader.optional_text(file_key)
        && let Some(text) = reader.file(file_key, &file)
    {
        keys.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    keys.into_iter().map(SecretString::from).collect()
}

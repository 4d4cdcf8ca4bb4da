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
    let keys = reader.secrets(&key("hmac_keys"), &key("hmac_keys_file"));
    let verifies = verifies(reader, &key("verify"));
    reader.check(
        &key("hmac_keys"),
        !verifies || !keys.is_empty(),
        "no key: give one, or say verify = \"none\"",
    );
    reader.check(&format!("sources.{name}"), is_name(&name), NAME_RULE);
    let verification = if verifies { Verification::HmacSha512(keys) } else { Verification::None };
    SourceConfig { name, verification }
}

fn verifies(reader: &mut Reader, key: &str) -> bool {
    if reader.optional_text(key).is_some() {
        return reader.choice(key, &[("hmac-sha512", true), ("none", false)]);
    }
    reader.show(key, "\"hmac-sha512\"");
    true
}

/// What [`is_name`] asks for.
pub(super) const NAME_RULE: &str = "a name is 1 to 64 of a-z, 0-9, - and _";

/// Whether a text can name something in logs, URLs and labels.
pub(super) fn is_name(name: &str) -> bool {
    let is_right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(is_right)
}

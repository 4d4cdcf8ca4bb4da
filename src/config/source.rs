//! `[sources.NAME]`: a WAHA server and its keys.

use std::num::NonZeroU32;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, without_password};
use crate::names;
use crate::registrar::{Manage, RegistrarOptions, WantedWebhook, check_url};
use crate::waha_api::WahaApiOptions;
use crate::webhook::EventType;
use crate::webhook::source::Source;

/// Not in the file, because each source may say otherwise.
const REQUESTS_PER_MINUTE: u64 = 60;
const CONCURRENCY: u64 = 4;
/// With fifteen of them, each twice as late as the one before, WAHA tries for 36 hours.
const RETRY_DELAY_S: u64 = 2;
const RETRY_ATTEMPTS: u64 = 15;
/// All events but `state.change` and `engine.event`; every release knows it.
const ALL_EVENTS: &str = "*";

/// A configured WAHA server.
pub struct SourceConfig {
    /// Its name in the URL.
    pub name: String,
    /// How its webhooks are verified.
    pub verification: Verification,
    /// How its REST API is asked; none if it is not.
    pub waha: Option<WahaApiOptions>,
    /// How its webhook is registered there; none if nobody said where WAHA reaches the door.
    pub registration: Option<RegistrarOptions>,
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

impl Verification {
    /// The key that WAHA should sign with: the last one, because a new one is added behind the old ones.
    pub fn newest_key(&self) -> Option<SecretString> {
        match self {
            Self::HmacSha512(keys) => keys.last().cloned(),
            Self::None => None,
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
    let waha = read_waha(reader, &name);
    let registration = read_registration(reader, &name, &verification);
    SourceConfig { name, verification, waha, registration }
}

/// `[sources.NAME.waha]`, if there is such a section.
fn read_waha(reader: &mut Reader, source: &str) -> Option<WahaApiOptions> {
    let section = format!("sources.{source}.waha");
    if reader.names_below(&section).is_empty() {
        return None;
    }
    let key = |field: &str| format!("{section}.{field}");
    let url = read_url(reader, &key("url"));
    let api_key = read_api_key(reader, &key("api_key"), &key("api_key_file"));
    let requests = reader.number_or(&key("requests_per_minute"), REQUESTS_PER_MINUTE, 1, 6_000);
    let concurrency = reader.number_or(&key("concurrency"), CONCURRENCY, 1, 64);
    let s3_origins = read_origins(reader, &key("s3_origins"));
    Some(WahaApiOptions {
        source: source.to_owned(),
        url: url?,
        api_key: api_key.into(),
        requests_per_minute: u32::try_from(requests).ok().and_then(NonZeroU32::new)?,
        concurrency: usize::try_from(concurrency).ok()?,
        s3_origins,
    })
}

/// What a header can carry, and what can be a key: one line of visible ASCII.
fn read_api_key(reader: &mut Reader, key: &str, file_key: &str) -> Option<SecretString> {
    let secret = reader.secret(key, file_key);
    let told = secret.as_ref().map_or("", |secret| secret.expose_secret());
    let named = if reader.is_told(file_key) { file_key } else { key };
    let has_lines = told.trim().contains(['\n', '\r']);
    reader.check(named, !has_lines, "has several lines: a key is one, so leave the others out");
    let is_visible = |c: char| c.is_ascii_graphic() || c == ' ' || c == '\n' || c == '\r';
    let problem = "has a character that no key has, such as a NUL or a letter with an accent: \
                   write the key anew, in ASCII";
    reader.check(named, told.chars().all(is_visible), problem);
    let problem = "is empty: put WAHA's key into the file, or leave this out if WAHA asks for none";
    let is_empty = told.is_empty();
    reader.check(file_key, secret.is_none() || !is_empty, problem);
    secret.filter(|_| !is_empty)
}

/// What of `[sources.NAME.waha]` is about the webhook in WAHA's sessions.
fn read_registration(
    reader: &mut Reader,
    source: &str,
    verification: &Verification,
) -> Option<RegistrarOptions> {
    let section = format!("sources.{source}.waha");
    if reader.names_below(&section).is_empty() {
        return None;
    }
    let key = |field: &str| format!("{section}.{field}");
    let url = read_webhook_url(reader, &key("webhook_url"), source);
    let manage = read_manage(reader, &key("manage"), url.is_some());
    let events = read_events(reader, &key("webhook_events"));
    let delay = reader.number_or(&key("webhook_retry_delay_s"), RETRY_DELAY_S, 1, 3_600);
    let attempts = reader.number_or(&key("webhook_retry_attempts"), RETRY_ATTEMPTS, 0, 100);
    let webhook = WantedWebhook {
        url: url?,
        events,
        retry_delay_s: u32::try_from(delay).ok()?,
        retry_attempts: u32::try_from(attempts).ok()?,
    };
    Some(RegistrarOptions { webhook, manage, key: verification.newest_key().into() })
}

/// Names of events that WAHA knows, or `*`: for one that it does not know it refuses a whole configuration.
fn read_events(reader: &mut Reader, key: &str) -> Vec<String> {
    if !reader.is_told(key) {
        reader.show(key, format_args!("[{ALL_EVENTS:?}]"));
        return vec![ALL_EVENTS.to_owned()];
    }
    let events = reader.list(key);
    let problem = "names no event: leave it out, or say [\"*\"], for all";
    reader.check(key, !events.is_empty(), problem);
    let known = || EventType::names().chain([ALL_EVENTS]).map(str::to_owned);
    let strange = events.iter().find(|event| !known().any(|name| name == **event));
    let strange = strange.map(|event| names::unknown("event", event, known()));
    reader.check(key, strange.is_none(), strange.unwrap_or_default());
    events
}

/// Where WAHA reaches the door. Without a path that of the source is added; any other leads nowhere.
fn read_webhook_url(reader: &mut Reader, key: &str, source: &str) -> Option<Url> {
    let text = reader.optional_text(key)?;
    reader.show(key, format_args!("{:?}", without_password(&text)));
    let has_user = |url: &Url| !url.username().is_empty() || url.password().is_some();
    let is_right = |url: &Url| {
        is_http(url) && !has_user(url) && url.query().is_none() && url.fragment().is_none()
    };
    let url = Url::parse(&text).ok().filter(is_right);
    let rule =
        "must be an http:// or https:// URL without user and query, as WAHA reaches the door";
    reader.check(key, url.is_some(), rule);
    let path = format!("/webhooks/{source}");
    let mut url = url?;
    if url.path() == "/" {
        url.set_path(&path);
    }
    let rule = "which is where the door takes this source's webhooks; what stands before it may be an ingress's, and \
                without a path it is added";
    let problem = format_args!("must end in {path}, {rule}");
    let ends_right = url.path().ends_with(&path);
    reader.check(key, ends_right, problem);
    let unusable = check_url(&url).err();
    reader.check(key, unusable.is_none(), unusable.map(|it| it.to_string()).unwrap_or_default());
    Some(url)
}

fn read_manage(reader: &mut Reader, key: &str, has_url: bool) -> Manage {
    if !reader.is_told(key) {
        reader.show(key, "\"check\"");
        return Manage::Check;
    }
    let choices = [("check", Manage::Check), ("off", Manage::Off), ("apply", Manage::Apply)];
    let manage = reader.choice(key, &choices);
    let problem = "needs webhook_url beside it: where WAHA reaches the door";
    reader.check(key, manage != Manage::Apply || has_url, problem);
    manage
}

/// Where WAHA is, perhaps under a path of a proxy.
fn read_url(reader: &mut Reader, key: &str) -> Option<Url> {
    let text = reader.text(key);
    reader.show(key, format_args!("{:?}", without_password(&text)));
    let is_right = |url: &Url| is_http(url) && url.query().is_none() && url.fragment().is_none();
    let url = Url::parse(&text).ok().filter(is_right);
    let rule = "must be an http:// or https:// URL without a query";
    reader.check(key, text.is_empty() || url.is_some(), rule);
    url
}

/// Servers as `scheme://host` or `scheme://host:port`, in the one form in which they are compared.
fn read_origins(reader: &mut Reader, key: &str) -> Vec<String> {
    let mut origins = Vec::new();
    for text in reader.list(key) {
        let url = Url::parse(&text).ok().filter(is_http).filter(is_bare);
        let rule = "an origin such as \"https://s3.example.com\", without a path";
        reader.check(key, url.is_some(), format_args!("must be {rule}; {text:?} is none"));
        origins.extend(url.map(|url| url.origin().ascii_serialization()));
    }
    origins
}

fn is_http(url: &Url) -> bool {
    ["http", "https"].contains(&url.scheme())
}

/// Whether a URL says nothing but scheme, host and port.
fn is_bare(url: &Url) -> bool {
    let has_user = !url.username().is_empty() || url.password().is_some();
    url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user
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

//! `[feed]` and `[consumers.NAME]`: for how long what changed is kept, and whom it is delivered to.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, without_password};
use super::source::{NAME_RULE, is_name};
use crate::consumers::EXCHANGE;
use crate::consumers::signature::Secret;
use crate::store::feed::ChangeKind;
use crate::store::operations::consumers::SessionName;
use crate::store::operations::feed::PAGE_MAX;

/// Not in the file, because each consumer may say otherwise.
const TIMEOUT_MS: u64 = 15_000;

/// What becomes of the feed.
pub struct FeedConfig {
    /// Whether it is published to the exchange on RabbitMQ.
    pub exchange: bool,
    /// How long changes are kept; none: for ever.
    pub age_max: Option<Duration>,
    /// The applications that get it by webhooks.
    pub consumers: Vec<ConsumerConfig>,
}

/// An application that gets the feed by webhooks.
#[derive(Clone)]
pub struct ConsumerConfig {
    /// Its name in logs, metrics and commands.
    pub name: String,
    /// Where requests go; may hold a password.
    pub url: Url,
    /// Each request is signed with all of them.
    pub secrets: Vec<SecretString>,
    /// Only changes of these kinds; empty: of all.
    pub kinds: Vec<ChangeKind>,
    /// Only of these sessions; empty: of all.
    pub sessions: Vec<SessionName>,
    /// Most changes in a request; above 1 the body is an array.
    pub batch_max: u64,
    /// How long a request may take.
    pub timeout: Duration,
}

impl ConsumerConfig {
    /// The secrets as requests are signed with them. They were read before.
    pub fn keys(&self) -> Vec<Secret> {
        self.secrets.iter().filter_map(|secret| Secret::parse(secret).ok()).collect()
    }
}

pub(super) fn read(reader: &mut Reader, has_broker: bool) -> FeedConfig {
    let exchange = reader.flag("feed.exchange");
    reader.check(
        "feed.exchange",
        !exchange || has_broker,
        "needs RabbitMQ: queue.url is \"embedded\"",
    );
    let names = reader.names_below("consumers");
    let consumers = names.into_iter().filter_map(|name| read_consumer(reader, name)).collect();
    FeedConfig { exchange, age_max: super::days(reader, "feed.keep_days"), consumers }
}

fn read_consumer(reader: &mut Reader, name: String) -> Option<ConsumerConfig> {
    let key = |field: &str| format!("consumers.{name}.{field}");
    let section = format!("consumers.{name}");
    reader.check(&section, is_name(&name), NAME_RULE);
    reader.check(&section, name != EXCHANGE, "this name is that of the exchange (feed.exchange)");
    let url = read_url(reader, &key("url"));
    let secrets = read_secrets(reader, &key("secret"), &key("secret_file"));
    let kinds = read_kinds(reader, &key("kinds"));
    let sessions = read_sessions(reader, &key("sessions"));
    let batch_max = number_or(reader, &key("batch_max"), 1, 1, PAGE_MAX);
    let timeout_ms = number_or(reader, &key("timeout_ms"), TIMEOUT_MS, 100, 120_000);
    let timeout = Duration::from_millis(timeout_ms);
    Some(ConsumerConfig { name, url: url?, secrets, kinds, sessions, batch_max, timeout })
}

/// A number that holds without being told.
fn number_or(reader: &mut Reader, key: &str, otherwise: u64, min: u64, max: u64) -> u64 {
    if reader.get::<u64>(key).is_some() {
        return reader.number(key, min, max);
    }
    reader.show(key, otherwise);
    otherwise
}

fn read_url(reader: &mut Reader, key: &str) -> Option<Url> {
    let text = reader.text(key);
    reader.show(key, format_args!("{:?}", without_password(&text)));
    let url = Url::parse(&text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    reader.check(key, text.is_empty() || url.is_some(), "must be an http:// or https:// URL");
    url
}

fn read_secrets(reader: &mut Reader, key: &str, file_key: &str) -> Vec<SecretString> {
    let secrets = reader.secret_lines(key, file_key);
    reader.check(key, !secrets.is_empty(), "no secret: give one, or a secret_file with one a line");
    for secret in &secrets {
        if let Err(error) = Secret::parse(secret) {
            reader.check(key, false, error);
        }
    }
    let texts: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
    let is_repeated = |(index, text): (usize, &&str)| texts[..index].contains(text);
    let repeats = texts.iter().enumerate().any(is_repeated);
    reader.check(key, !repeats, "the same secret stands there twice");
    secrets
}

fn read_kinds(reader: &mut Reader, key: &str) -> Vec<ChangeKind> {
    let names = reader.list(key);
    for name in names.iter().filter(|name| ChangeKind::of(name).is_none()) {
        let known: Vec<&str> = ChangeKind::ALL.iter().map(|kind| kind.name()).collect();
        let problem = format!("there is no kind {name:?}; there are {}", known.join(", "));
        reader.check(key, false, problem);
    }
    names.iter().filter_map(|name| ChangeKind::of(name)).collect()
}

fn read_sessions(reader: &mut Reader, key: &str) -> Vec<SessionName> {
    let mut sessions = Vec::new();
    for text in reader.list(key) {
        let parts =
            text.split_once('/').filter(|(source, name)| !source.is_empty() && !name.is_empty());
        match parts {
            Some((source, name)) => {
                sessions.push(SessionName { source: source.to_owned(), name: name.to_owned() });
            }
            None => reader.check(key, false, format!("{text:?} is not SOURCE/SESSION")),
        }
    }
    sessions
}

//! `[feed]` and `[consumers.NAME]`: for how long what changed is kept, and whom it is delivered to.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, without_password};
use super::source::{NAME_RULE, is_name};
use crate::consumers::EXCHANGE;
use crate::consumers::signature::Secret;
use crate::names::nearest;
use crate::store::feed::ChangeKind;
use crate::store::operations::consumers::{SessionName, Subscription};
use crate::store::operations::feed::{PAGE_MAX, ROWS_BYTES_MAX};

/// Not in the file, because each consumer may say otherwise.
const TIMEOUT_MS: u64 = 15_000;

/// What becomes of the feed.
pub struct FeedConfig {
    /// Whether it is published to the exchange on RabbitMQ.
    pub exchange: bool,
    /// Whether PostgreSQL notifies those who listen.
    pub notifies: bool,
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
    /// What it gets.
    pub subscription: Subscription,
    /// Most changes in a request; above 1 the body is an array.
    pub batch_max: u64,
    /// Most bytes of its body, but for a single change.
    pub batch_bytes_max: u64,
    /// How long a request may take.
    pub timeout: Duration,
    /// Certificates (PEM) of the private authority that signed the receiver's.
    pub ca_pem: Option<String>,
}

impl FeedConfig {
    /// What each consumer gets, by its name; the exchange, if it is configured, gets all.
    pub fn subscriptions(&self) -> HashMap<String, Subscription> {
        let webhooks = self.consumers.iter().map(|it| (it.name.clone(), it.subscription.clone()));
        let exchange = self.exchange.then(|| (EXCHANGE.to_owned(), Subscription::default()));
        webhooks.chain(exchange).collect()
    }
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
    let notifies = reader.flag("feed.notify");
    let names = reader.names_below("consumers");
    let consumers = names.into_iter().filter_map(|name| read_consumer(reader, name)).collect();
    FeedConfig { exchange, notifies, age_max: super::days(reader, "feed.keep_days"), consumers }
}

fn read_consumer(reader: &mut Reader, name: String) -> Option<ConsumerConfig> {
    let key = |field: &str| format!("consumers.{name}.{field}");
    let section = format!("consumers.{name}");
    if !is_name(&name) {
        // Keys below such a name can't be asked for: all of them would seem to be missing, and unknown.
        reader.check(&section, false, NAME_RULE);
        reader.skip_below(&section);
        return None;
    }
    reader.check(&section, name != EXCHANGE, "this name is that of the exchange (feed.exchange)");
    let url = read_url(reader, &key("url"));
    let secrets = read_secrets(reader, &key("secret"), &key("secret_file"));
    let subscription = Subscription {
        kinds: read_kinds(reader, &key("kinds")),
        sessions: read_sessions(reader, &key("sessions")),
    };
    let batch_max = reader.number_or(&key("batch_max"), 1, 1, PAGE_MAX);
    let bytes_key = key("batch_bytes_max");
    let batch_bytes_max = reader.number_or(&bytes_key, ROWS_BYTES_MAX, 1024, 64 * 1024 * 1024);
    let timeout_ms = reader.number_or(&key("timeout_ms"), TIMEOUT_MS, 100, 120_000);
    let timeout = Duration::from_millis(timeout_ms);
    let ca_pem = reader.optional_text(&key("ca_file"));
    let ca_pem = ca_pem.and_then(|file| reader.file(&key("ca_file"), &file));
    let url = url?;
    Some(ConsumerConfig {
        name,
        url,
        secrets,
        subscription,
        batch_max,
        batch_bytes_max,
        timeout,
        ca_pem,
    })
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
    let known: Vec<String> = ChangeKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    for name in names.iter().filter(|name| ChangeKind::of(name).is_none()) {
        let near = nearest(name, &known);
        let hint = if near.is_empty() {
            format!("there are {}", known.join(", "))
        } else {
            format!("near it: {}", near.join(", "))
        };
        reader.check(key, false, format_args!("there is no kind {name:?}; {hint}"));
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

//! Reads the configuration again while the process runs, and takes new keys, tokens and URLs of broker
//! and database over without a restart.
//!
//! Started by `lifecycle`. It looks on SIGHUP and every few seconds, by content: Kubernetes swaps a
//! link above a mounted secret, which changes neither the name nor always the time of the file. Invariant: a configuration with a problem changes nothing, and a file that is being written
//! is not taken half: without SIGHUP a change counts once two looks agree on it.

mod broker;
mod database;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use secrecy::ExposeSecret;

use self::broker::{BrokerSettings, FixedSettings};
use self::database::DatabaseSettings;
use crate::admin::{Admin, Token};
use crate::config::{Backend, Config, ConsumerConfig, SourceConfig, Verification};
use crate::consumers::SharedSecrets;
use crate::queue::rabbitmq::RabbitmqQueue;
use crate::registrar::SigningKey;
use crate::server::Door;
use crate::store::audit::{Actor, ActorChannel, AuditAction, AuditEntry};
use crate::telemetry::cause::Causes;
use crate::waha_api::{ApiKey, WahaApiOptions};
use crate::webhook::source::{KeyChange, KeyPrint};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The sources of a configuration: their names and what their keys are known by; none if a source
/// verifies nothing.
type Sources = Vec<(String, Option<Vec<KeyPrint>>)>;

/// What a reload can change, as a configuration has it.
#[derive(Clone, PartialEq)]
struct Secrets {
    sources: Sources,
    tokens: Vec<Token>,
    /// Of each consumer its name and what its secrets are known by.
    consumers: Vec<(String, Vec<KeyPrint>)>,
    /// Of each source the key of its WAHA's API; none if there is none.
    waha_keys: Vec<(String, Option<KeyPrint>)>,
    broker: Option<BrokerSettings>,
    database: DatabaseSettings,
}

/// What only a restart can change.
type Shape<'a> = (Vec<(&'a str, bool)>, bool, Option<&'a FixedSettings>, &'a str, Vec<&'a str>);

/// What is looked at, and what was seen last.
struct Reload {
    file: Option<PathBuf>,
    /// Whose keys change; none in a process that does not serve.
    door: Option<Arc<Door>>,
    /// Whose tokens change; it also has the tables, for the audit log.
    admin: Arc<Admin>,
    /// Whose URLs change; none with the embedded queue.
    queue: Option<RabbitmqQueue>,
    /// Whose secrets change.
    consumers: SharedSecrets,
    /// Of each source that has an API.
    waha_keys: Vec<(String, ApiKey)>,
    /// Of each source whose webhook is registered in WAHA: the key that WAHA should sign with.
    signing_keys: Vec<(String, SigningKey)>,
    in_force: Secrets,
    seen: Secrets,
    problem: Option<String>,
}

/// Whose secrets are replaced.
pub(super) struct Reloaded {
    /// None in a process that does not serve.
    pub(super) door: Option<Arc<Door>>,
    /// It also has the tables, for the audit log.
    pub(super) admin: Arc<Admin>,
    /// None with the embedded queue.
    pub(super) queue: Option<RabbitmqQueue>,
    /// Those that sign what consumers get; unused in a process that does not work.
    pub(super) consumers: SharedSecrets,
}

/// Looks until `stop`.
pub(super) fn start(
    config: &Config,
    reloaded: Reloaded,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    let in_force = Config::load(config.file.as_deref()).map(|config| Secrets::of(&config));
    let in_force = in_force.unwrap_or_else(|_| Secrets::of(config));
    let file = config.file.clone();
    let seen = in_force.clone();
    let Reloaded { door, admin, queue, consumers } = reloaded;
    let waha_keys = apis(config).map(|api| (api.source.clone(), api.api_key.clone())).collect();
    let signing_keys = signing_keys(config);
    let problem = None;
    let reload = Reload {
        file,
        door,
        admin,
        queue,
        consumers,
        waha_keys,
        signing_keys,
        in_force,
        seen,
        problem,
    };
    tokio::spawn(async move { stop.run_until_cancelled(Box::pin(reload.run(hangup))).await });
    Ok(())
}

impl Reload {
    async fn run(mut self, mut hangup: Signal) {
        loop {
            let is_asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            match Config::load(self.file.as_deref()) {
                Ok(config) => self.take(&config, is_asked).await,
                Err(error) => self.refuse(error.to_string(), is_asked),
            }
        }
    }

    async fn take(&mut self, config: &Config, is_asked: bool) {
        if self.problem.take().is_some() || is_asked {
            tracing::info!("the configuration was read again");
        }
        let seen = Secrets::of(config);
        if seen != self.in_force && (is_asked || seen == self.seen) {
            self.replace_keys(config).await;
            self.replace_tokens(config).await;
            self.replace_consumer_secrets(config, &seen).await;
            self.replace_waha_keys(config, &seen).await;
            self.replace_signing_keys(config);
            self.replace_urls(config, &seen).await;
            self.replace_database_url(config, &seen).await;
            self.replace_read_url(config, &seen).await;
            if seen.shape() != self.in_force.shape() {
                tracing::warn!(
                    "sources were added, removed or verify otherwise, tokens began or ceased to be needed, the queue's kind, prefix, authority or tap changed, the kind or file of the database, whether it has a replica, or consumers were added or removed: restart for that"
                );
            }
            self.in_force.clone_from(&seen);
        }
        self.seen = seen;
    }

    /// Says once what is wrong; what was in force stays.
    fn refuse(&mut self, problem: String, is_asked: bool) {
        if is_asked || self.problem.as_ref() != Some(&problem) {
            tracing::error!(error = problem, "the configuration was not taken over");
        }
        self.problem = Some(problem);
    }

    async fn replace_keys(&self, config: &Config) {
        let Some(door) = &self.door else { return };
        for source in &config.sources {
            if let Verification::HmacSha512(keys) = &source.verification
                && let Some(known) = door.sources.get(&source.name)
                && let Some(KeyChange { added, removed, count }) = known.replace_keys(keys)
            {
                tracing::info!(
                    webhook.source = source.name,
                    keys.added = added,
                    keys.removed = removed,
                    keys.count = count,
                    "the keys of a source changed"
                );
                let values = json!({ "source": source.name, "added": added, "removed": removed });
                self.record(values, count).await;
            }
        }
    }

    async fn replace_tokens(&self, config: &Config) {
        if self.admin.access.replace_tokens(config.admin.access_tokens()) {
            let names: Vec<&str> = config.admin.tokens.iter().map(|it| it.name.as_str()).collect();
            tracing::info!(tokens.names = ?names, "the tokens of the admin listener changed");
            self.record(json!({ "tokens": names }), names.len()).await;
        }
    }

    /// Those of consumers that there are; a new one needs a restart.
    async fn replace_consumer_secrets(&self, config: &Config, seen: &Secrets) {
        for (it, (name, prints)) in config.feed.consumers.iter().zip(&seen.consumers) {
            let in_force = self.in_force.consumers.iter().find(|(other, _)| other == name);
            if in_force.is_some_and(|(_, known)| known != prints) {
                self.consumers.replace(name, it.keys());
                let count = prints.len();
                tracing::info!(
                    consumer = name,
                    keys.count = count,
                    "the secrets of a consumer changed"
                );
                self.record(json!({ "consumer": name, "secrets": count }), count).await;
            }
        }
    }

    /// Those with which WAHA's APIs are asked. One that refused the former is asked again at once.
    async fn replace_waha_keys(&self, config: &Config, seen: &Secrets) {
        for api in apis(config) {
            let source = &api.source;
            let is_changed = seen.waha_key(source) != self.in_force.waha_key(source);
            let known = self.waha_keys.iter().find(|(known, _)| known == source);
            let Some((_, key)) = known.filter(|_| is_changed) else { continue };
            key.replace(api.api_key.get());
            tracing::info!(webhook.source = source, "the key of WAHA's API changed");
            self.record(json!({ "source": source, "api_key": 1 }), 1).await;
        }
    }

    /// The door of this process, if there is one, has the same keys by now.
    fn replace_signing_keys(&self, config: &Config) {
        for (name, key) in &self.signing_keys {
            let source = config.sources.iter().find(|source| source.name == *name);
            if let Some(source) = source {
                key.replace(source.verification.newest_key());
            }
        }
    }

    /// Other passwords, mostly. Whether they are right shows when the queue connects.
    async fn replace_urls(&self, config: &Config, seen: &Secrets) {
        let (Some(queue), Backend::Broker(broker)) = (&self.queue, &config.queue.backend) else {
            return;
        };
        let (Some(seen), Some(in_force)) = (&seen.broker, &self.in_force.broker) else { return };
        if seen.differs_in_urls(in_force) {
            queue.replace_urls(&broker.urls);
            let count = broker.urls.len();
            tracing::info!(urls.count = count, "the URLs of the broker changed");
            self.record(json!({ "queue.url": count }), count).await;
        }
    }

    /// The same of the database, where this process has one.
    async fn replace_database_url(&self, config: &Config, seen: &Secrets) {
        let Some(store) = &self.admin.store else { return };
        if !seen.database.differs_in_url(&self.in_force.database) {
            return;
        }
        match store.replace_url(config.database_url.expose_secret()) {
            Ok(()) => {
                tracing::info!("the URL of the database changed");
                self.record(json!({ "database.url": 1 }), 1).await;
            }
            Err(error) => {
                let error = Causes(&error);
                tracing::error!(%error, "the changed URL of the database was not taken over");
            }
        }
    }

    /// The same of its replica.
    async fn replace_read_url(&self, config: &Config, seen: &Secrets) {
        let (Some(store), Some(url)) = (&self.admin.store, &config.read_url) else { return };
        if !seen.database.differs_in_read_url(&self.in_force.database) {
            return;
        }
        match store.replace_read_url(url.expose_secret()).await {
            Ok(()) => {
                tracing::info!("the URL of the replica changed");
                self.record(json!({ "database.read_url": 1 }), 1).await;
            }
            Err(error) => {
                let error = Causes(&error);
                tracing::error!(%error, "the changed URL of the replica was not taken over");
            }
        }
    }

    /// In the audit log, where this process has the tables; `serve` has none, and its log tells it.
    async fn record(&self, new_values: Value, count: usize) {
        let Some(store) = &self.admin.store else { return };
        let actor = Actor {
            name: "configuration".to_owned(),
            channel: ActorChannel::Process,
            place: whoami::hostname().unwrap_or_else(|_| "unknown".to_owned()),
        };
        let entry = AuditEntry {
            affected: count as u64,
            new_values: Some(new_values),
            ..AuditEntry::new(AuditAction::Keys, &actor)
        };
        if let Err(error) = store.record(&entry).await {
            tracing::warn!(error = error.detail(), "a change of keys is not in the audit log");
        }
    }
}

impl Secrets {
    fn of(config: &Config) -> Self {
        let sources = sources(config);
        let tokens = config.admin.access_tokens();
        let consumers = consumers(config);
        let waha_keys = waha_keys(config);
        let broker = BrokerSettings::of(config);
        let database = DatabaseSettings::of(config);
        Self { sources, tokens, consumers, waha_keys, broker, database }
    }

    /// What the key of a source's API is known by.
    fn waha_key(&self, source: &str) -> Option<&KeyPrint> {
        let known = self.waha_keys.iter().find(|(known, _)| known == source);
        known.and_then(|(_, print)| print.as_ref())
    }

    fn shape(&self) -> Shape<'_> {
        let sources = self.sources.iter();
        let shapes = sources.map(|(name, keys)| (name.as_str(), keys.is_some()));
        let broker = self.broker.as_ref().map(BrokerSettings::fixed);
        let consumers = self.consumers.iter().map(|(name, _)| name.as_str()).collect();
        (shapes.collect(), self.tokens.is_empty(), broker, self.database.fixed(), consumers)
    }
}

fn apis(config: &Config) -> impl Iterator<Item = &WahaApiOptions> {
    config.sources.iter().filter_map(|source| source.waha.as_ref())
}

fn signing_keys(config: &Config) -> Vec<(String, SigningKey)> {
    let key_of = |source: &SourceConfig| {
        Some((source.name.clone(), source.registration.as_ref()?.key.clone()))
    };
    config.sources.iter().filter_map(key_of).collect()
}

fn waha_keys(config: &Config) -> Vec<(String, Option<KeyPrint>)> {
    let print = |api: &WahaApiOptions| api.api_key.get().as_ref().map(KeyPrint::of);
    apis(config).map(|api| (api.source.clone(), print(api))).collect()
}

fn consumers(config: &Config) -> Vec<(String, Vec<KeyPrint>)> {
    let prints = |it: &ConsumerConfig| it.secrets.iter().map(KeyPrint::of).collect();
    config.feed.consumers.iter().map(|it| (it.name.clone(), prints(it))).collect()
}

fn sources(config: &Config) -> Sources {
    let prints = |source: &SourceConfig| match &source.verification {
        Verification::HmacSha512(keys) => Some(keys.iter().map(KeyPrint::of).collect()),
        Verification::None => None,
    };
    config.sources.iter().map(|source| (source.name.clone(), prints(source))).collect()
}

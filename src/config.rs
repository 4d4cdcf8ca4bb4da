//! The configuration: annotated defaults, then a file, then the environment.
//!
//! Read at start by the CLI, and again by `lifecycle` for changed keys. All problems are reported at once, each with the path of its key.
//! Secrets are never printed.

mod admin;
mod consumers;
mod queue;
mod reader;
mod server;
mod source;
mod traces;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

pub use admin::{AdminConfig, TokenConfig};
pub use consumers::{ConsumerConfig, FeedConfig};
pub use queue::{Backend, BrokerConfig, QueueConfig};
pub use reader::without_password;
pub use source::{SourceConfig, Verification};

use reader::{Finished, Reader};

use crate::normalize::Rules;
use crate::retry::RetryPolicy;
use crate::server::Limits;
use crate::telemetry::{LogFormat, LogLevel};
use crate::trace::TracesConfig;

/// The annotated defaults.
pub const DEFAULTS: &str = include_str!("config/default.toml");
/// From ten minutes, because the ledger is looked at in steps of it, to a week.
const SILENT_AFTER_MS: std::ops::RangeInclusive<u64> = 600_000..=604_800_000;
/// Read if it is there and no other file is named.
const FILE: &str = "waha-ingest.toml";

/// Everything that can be configured.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct Config {
    /// The file it was read from, if any: what a reload reads again.
    pub file: Option<PathBuf>,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// The public listener.
    pub listen: SocketAddr,
    /// The admin listener, if any.
    pub admin_listen: Option<SocketAddr>,
    /// Who may use it.
    pub admin: AdminConfig,
    /// What the door takes.
    pub limits: Limits,
    /// How long a stop may take.
    pub stop_grace: Duration,
    /// The WAHA servers.
    pub sources: Vec<SourceConfig>,
    /// Where the tables are; may hold a password.
    pub database_url: SecretString,
    /// Whether somebody said that, or it is the default: a file in the data folder.
    pub is_database_named: bool,
    /// Most connections to the database.
    pub connections_max: u32,
    /// Where webhooks wait.
    pub queue: QueueConfig,
    /// Most webhooks in one transaction.
    pub batch_max: usize,
    /// Most bytes of bodies in one transaction.
    pub batch_bytes_max: u64,
    /// Most bytes of bodies in hand, of all lanes together.
    pub worker_memory_bytes_max: u64,
    /// Transactions at a time, per lane.
    pub concurrency: usize,
    /// How long a batch is held while the database is away.
    pub hold_max: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
    /// Whether the ledger keeps bodies.
    pub keeps_bodies: bool,
    /// Whether it keeps those of ephemeral webhooks, too.
    pub keeps_ephemeral_bodies: bool,
    /// How long the ledger keeps bodies; none: for ever.
    pub bodies_age_max: Option<Duration>,
    /// What becomes of the feed.
    pub feed: FeedConfig,
    /// Whether the words of messages are kept up to date, and messages can be searched.
    pub searches: bool,
    /// No pause of a session up to this is silence.
    pub silent_after: Duration,
    /// What normalizing needs.
    pub rules: Rules,
    /// What is logged.
    pub log_level: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where traces go.
    pub traces: TracesConfig,
    /// Every key that was read, with its value as text and nothing secret: what `check --print` shows.
    pub shown: BTreeMap<String, String>,
    /// What is odd in the environment, though it does no harm.
    pub notes: Vec<String>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has problems:\n{}", .0.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads defaults, the named file (else `./waha-ingest.toml`, if it is there), and the
    /// environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = file
            .map(Path::to_owned)
            .or_else(|| Some(PathBuf::from(FILE)).filter(|file| file.exists()));
        let config = Self::finish(Reader::open(DEFAULTS, file.as_deref())?)?;
        Ok(Self { file, ..config })
    }

    /// The defaults alone: what `demo` starts from, so that nothing of this machine matters.
    pub fn load_defaults() -> Result<Self, ConfigError> {
        Self::finish(Reader::open_defaults(DEFAULTS)?)
    }

    fn finish(mut reader: Reader) -> Result<Self, ConfigError> {
        let config = Self::read(&mut reader);
        let Finished { shown, notes } = reader.finish()?;
        Ok(Self { shown, notes, ..config })
    }

    fn read(reader: &mut Reader) -> Self {
        let data_dir = PathBuf::from(reader.text("data_dir"));
        let sources = source::read_all(reader);
        let admin_listen = admin::read_listen(reader);
        let queue = queue::read(reader);
        let (database_url, is_database_named) = database_url(reader, &data_dir);
        Self {
            file: None,
            listen: reader.address("server.listen"),
            admin_listen,
            admin: admin::read(reader, admin_listen),
            limits: server::read(reader),
            stop_grace: reader.milliseconds("server.stop_grace_ms"),
            sources,
            database_url,
            is_database_named,
            connections_max: reader.number("database.connections_max", 1, 1000),
            feed: consumers::read(reader, matches!(queue.backend, Backend::Broker(_))),
            queue,
            batch_max: reader.number("worker.batch_max", 1, 5000),
            batch_bytes_max: reader.number("worker.batch_bytes_max", 1 << 16, 1 << 30),
            worker_memory_bytes_max: reader.number("worker.memory_bytes_max", 1 << 20, 1 << 40),
            concurrency: reader.number("worker.concurrency", 1, 64),
            hold_max: reader.milliseconds("worker.hold_max_ms"),
            retry: retry(reader),
            keeps_bodies: reader.choice("ledger.bodies", &[("all", true), ("none", false)]),
            keeps_ephemeral_bodies: reader
                .choice("ledger.ephemeral_bodies", &[("none", false), ("all", true)]),
            bodies_age_max: days(reader, "ledger.body_days"),
            searches: reader.flag("search.enabled"),
            silent_after: reader.duration("sessions.silent_after_ms", SILENT_AFTER_MS),
            rules: Rules { user_id_key: reader.text("normalize.user_id_key") },
            log_level: log_level(reader),
            log_format: reader.choice(
                "log.format",
                &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)],
            ),
            traces: traces::read(reader),
            shown: BTreeMap::new(),
            notes: Vec::new(),
            data_dir,
        }
    }

    /// The file of the embedded queue.
    pub fn queue_path(&self) -> PathBuf {
        self.data_dir.join("queue.db")
    }

    /// The file of the spool.
    pub fn spool_path(&self) -> PathBuf {
        self.data_dir.join("spool.db")
    }

    /// Whether this is the configuration of a door alone: it knows the broker, and no tables.
    pub fn is_door_alone(&self) -> bool {
        matches!(self.queue.backend, Backend::Broker(_)) && !self.is_database_named
    }

    /// Whether the tables are in an SQLite file, which is migrated at start.
    pub fn is_database_embedded(&self) -> bool {
        self.database_url.expose_secret().starts_with("sqlite:")
    }
}

/// Days; 0 stands for no limit.
fn days(reader: &mut Reader, key: &str) -> Option<Duration> {
    let days: u64 = reader.number(key, 0, 36_500);
    (days > 0).then(|| Duration::from_hours(24 * days))
}

/// The URL, and whether it was told.
fn database_url(reader: &mut Reader, data_dir: &Path) -> (SecretString, bool) {
    let told = reader.secret("database.url", "database.url_file");
    let is_told = told.is_some();
    let url =
        told.unwrap_or_else(|| format!("sqlite://{}", data_dir.join("waha.db").display()).into());
    reader.show("database.url", format_args!("{:?}", without_password(url.expose_secret())));
    (url, is_told)
}

/// What is logged: text that means something to the log. `RUST_LOG` is looked at as well, because it wins.
fn log_level(reader: &mut Reader) -> String {
    let level = reader.text("log.level");
    for (name, told) in
        [("log.level", Some(level.clone())), ("RUST_LOG", reader.standard("RUST_LOG"))]
    {
        let problem = told.and_then(|told| LogLevel::check(&told).err());
        reader.check(name, problem.is_none(), problem.unwrap_or_default());
    }
    level
}

fn retry(reader: &mut Reader) -> RetryPolicy {
    let delays = reader.numbers("retry.delays_ms").into_iter().map(Duration::from_millis).collect();
    let jitter = reader.get::<f64>("retry.jitter").unwrap_or_default();
    reader.check("retry.jitter", (0.0..=1.0).contains(&jitter), "must be between 0 and 1");
    RetryPolicy { delays, jitter }
}

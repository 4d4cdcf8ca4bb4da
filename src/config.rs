//! The configuration: annotated defaults, then a file, then the environment.
//!
//! Read at start by the CLI, and again by `lifecycle` for changed keys. All problems are reported at once, each with the path of its key.
//! Secrets are never printed.

mod admin;
mod archive;
mod consumers;
mod media;
mod queue;
mod reader;
mod retention;
mod s3;
mod server;
mod source;
mod traces;
mod watchdog;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

pub use admin::{AdminConfig, TokenConfig};
pub use consumers::{ConsumerConfig, FeedConfig};
pub use media::MediaConfig;
pub use queue::{Backend, BrokerConfig, QueueConfig};
pub use reader::without_password;
pub use source::{SourceConfig, Verification};

use reader::{Finished, Reader};

use crate::admin::Setting;
use crate::archive::ArchiveOptions;
use crate::media::storage::S3Options;
use crate::normalize::Rules;
use crate::reconcile::Planned;
use crate::retention::Retention;
use crate::retry::RetryPolicy;
use crate::server::Limits;
use crate::telemetry::{LogFormat, LogLevel};
use crate::trace::TracesConfig;
use crate::watchdog::WatchdogOptions;

/// The annotated defaults.
pub const DEFAULTS: &str = include_str!("config/default.toml");
/// From ten minutes, because the ledger is looked at in steps of it, to a week.
const SILENT_AFTER_MS: std::ops::RangeInclusive<u64> = 600_000..=604_800_000;
/// The ledger knows repetitions at least for so long.
const LEDGER_AGE_LEAST: Duration = Duration::from_hours(7 * 24);
/// Read if it is there and no other file is named.
const FILE: &str = "waha-ingest.toml";

/// What is asked of WAHAs about sessions without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcileConfig {
    /// Sessions at a time.
    pub concurrency: usize,
    /// What is done.
    pub planned: Planned,
}

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
    /// A replica of it for lists, exports and search, if there is one; may hold a password.
    pub read_url: Option<SecretString>,
    /// Older than this the replica is not read from while the primary answers.
    pub read_age_max: Duration,
    /// Whether somebody said where the tables are, or it is the default: a file in the data folder.
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
    /// Whether they are packed and kept apart from the ledger.
    pub packs_bodies: bool,
    /// For how long things are kept.
    pub retention: Retention,
    /// Where the ledger's rows are kept before they go; none: nowhere.
    pub archive: Option<ArchiveOptions>,
    /// Who asks for buckets in which backups are kept; which one, `backup` is told.
    pub backup_s3: S3Options,
    /// What becomes of the feed.
    pub feed: FeedConfig,
    /// How files of messages are kept; none if they are not.
    pub media: Option<MediaConfig>,
    /// What is asked of WAHAs about sessions; none if nothing is.
    pub reconciled: Option<ReconcileConfig>,
    /// How sessions are watched; none if they are not.
    pub watchdog: Option<WatchdogOptions>,
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
    pub shown: Vec<Setting>,
    /// What is odd in it, or in the environment, though it does no harm.
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
        let feed = consumers::read(reader, matches!(queue.backend, Backend::Broker(_)));
        let (database_url, is_database_named) = database_url(reader, &data_dir);
        let read_url = read_url(reader, &database_url);
        let retention = retention::read(reader, feed.age_max, &sources);
        let archive = archive::read(reader);
        retention::check_archive(reader, archive.is_some(), &retention);
        let reconciled = reconciled(reader, &sources);
        Self {
            file: None,
            listen: reader.address("server.listen"),
            admin_listen,
            admin: admin::read(reader, admin_listen),
            limits: server::read(reader),
            stop_grace: reader.milliseconds("server.stop_grace_ms"),
            media: media::read(reader, &data_dir, &sources),
            watchdog: watchdog::read(
                reader,
                &sources,
                reconciled.is_some_and(|it| it.planned.messages),
            ),
            reconciled,
            sources,
            database_url,
            read_url,
            read_age_max: reader.milliseconds("database.read_age_max_ms"),
            is_database_named,
            connections_max: reader.number("database.connections_max", 1, 1000),
            retention,
            archive,
            backup_s3: s3::read(reader, "backup", "", None),
            feed,
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
            packs_bodies: reader.choice("ledger.body_codec", &[("plain", false), ("zstd", true)]),
            searches: reader.flag("search.enabled"),
            silent_after: reader.duration("sessions.silent_after_ms", SILENT_AFTER_MS),
            rules: Rules { user_id_key: reader.text("normalize.user_id_key") },
            log_level: log_level(reader),
            log_format: reader.choice(
                "log.format",
                &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)],
            ),
            traces: traces::read(reader),
            shown: Vec::new(),
            notes: Vec::new(),
            data_dir,
        }
    }

    /// The file of the embedded queue.
    pub fn queue_path(&self) -> PathBuf {
        self.data_dir.join("queue.db")
    }

    /// Where webhooks wait, for people: the queue file, or the broker's nodes without passwords.
    pub fn queue_places(&self) -> Vec<String> {
        match &self.queue.backend {
            Backend::Embedded => vec![self.queue_path().display().to_string()],
            Backend::Broker(broker) => {
                broker.urls.iter().map(|url| without_password(url.expose_secret())).collect()
            }
        }
    }

    /// The file of the spool.
    pub fn spool_path(&self) -> PathBuf {
        self.data_dir.join("spool.db")
    }

    /// Whether this is the configuration of a door alone: it knows the broker, and no tables.
    pub fn is_door_alone(&self) -> bool {
        matches!(self.queue.backend, Backend::Broker(_)) && !self.is_database_named
    }

    /// The file of the key that `up` makes where no source is configured.
    pub fn made_key_path(&self) -> PathBuf {
        self.data_dir.join("hmac-key")
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

/// The replica, if there is one. SQLite has none, and reads beside its writer by itself.
fn read_url(reader: &mut Reader, database_url: &SecretString) -> Option<SecretString> {
    let key = "database.read_url";
    let told = reader.secret(key, "database.read_url_file");
    let url = told.as_ref().map(|url| without_password(url.expose_secret())).unwrap_or_default();
    reader.show(key, format_args!("{url:?}"));
    let of_file = database_url.expose_secret().starts_with("sqlite:");
    let is_possible = told.is_none() || !of_file;
    let problem = "is for PostgreSQL, MySQL and MariaDB: SQLite is one file, which is read while it is written";
    reader.check(key, is_possible, problem);
    told
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
    let jitter = reader.share("retry.jitter");
    RetryPolicy { delays, jitter }
}

/// `[reconcile]` and `[people]`: none if no source says where its API is, or if both are off.
fn reconciled(reader: &mut Reader, sources: &[SourceConfig]) -> Option<ReconcileConfig> {
    let messages = reader.flag("reconcile.enabled");
    let concurrency = reader.number("reconcile.concurrency", 1, 64);
    let planned = Planned { messages, people: reader.flag("people.enabled") };
    let is_possible = sources.iter().any(|source| source.waha.is_some());
    let is_wanted = planned.messages || planned.people;
    (is_wanted && is_possible).then_some(ReconcileConfig { concurrency, planned })
}

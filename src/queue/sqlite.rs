//! The embedded queue: one `SQLite` file. Also the spool in front of a broker.
//!
//! Called through [`Queue`]; `status` also takes a [`FileCounts`]. A thread of its own writes, and commits
//! everything that waits for it together; several processes may use one file. Invariant:
//! `Ok` means committed with fsync, and a claimed webhook has a lease that ends if its holder dies.
//!
//! Reading order: `schema` (tables), `statements` and `claim` (SQL), `group` (one transaction),
//! `writer` (the thread), `lease` (what is in hand), `fault` (what an error is about), `rescue` (a
//! damaged file), `restore` (a file that was removed while it was in use).

mod checksum;
mod claim;
mod command;
mod damaged_row;
mod depth;
mod fault;
mod file_connection;
mod file_counts;
mod file_mark;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod group;
mod held_file;
mod lane_notifier;
mod lease;
mod probe;
mod quarantine;
mod rescue;
mod restore;
mod schema;
mod statements;
mod waiting;
mod writer;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

pub use file_counts::{FileCounts, FileInstant, Frozen};
pub use file_mark::FileMark;

use self::command::{Command, Ending, Reply, StoredForm};
use self::fault::Fault;
use self::file_connection::FileConnection;
use self::held_file::HeldFile;
use self::lane_notifier::LaneNotifier;
use self::lease::Leases;
use self::rescue::{Holder, end_interrupted, is_log_damaged, rescue};
use self::writer::{COMMANDS_MAX, Writer};
use super::{
    BatchLimit, Delivery, Depth, Failure, Hastened, Lane, Queue, QueueError, RetryChoice, Retrying,
    Tag,
};
use crate::clock::Clock;
use crate::open_files::FileIdentity;
use crate::telemetry::cause::Causes;
use crate::telemetry::outage_log::OutageLog;
use crate::webhook::Webhook;

/// How often a waiting receiver looks for what other processes publish and what falls due.
const POLL: Duration = Duration::from_millis(100);

/// The longest wait of one `receive`; longer ones end empty-handed.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Failures kept with a webhook: the first and the latest.
const FAILURES_MAX: usize = 50;

/// How a queue file is used.
#[derive(Clone)]
pub struct Options {
    /// Publishing is refused when the file holds more than this. Its log comes on top.
    pub bytes_max: u64,
    /// How long after the death of a process its deliveries are handed out again.
    pub lease: Duration,
    /// The time; processes on one file must agree on it to a fraction of `lease`.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// With a lease of 10 seconds.
    pub fn new(bytes_max: u64, clock: Arc<dyn Clock>) -> Self {
        Self { bytes_max, lease: Duration::from_secs(10), clock }
    }
}

/// One more connection to a queue file, for the spool's own count.
pub(super) fn connect(path: &Path) -> Result<Connection, QueueError> {
    Ok(schema::open_again(path)?)
}

/// Counts what is in the file at `path` at one instant, beside the process that uses it. One that is not
/// made yet, as on a disk that is full, holds nothing.
pub fn read_census(path: &Path) -> Result<FileCounts, QueueError> {
    let connection = connect(path)?;
    if !schema::is_made(&connection)? {
        return Ok(FileCounts::default());
    }
    Ok(file_counts::read(&connection)?)
}

/// A queue in a file. Clones share it; dropping the last one waits for the thread (for a commit, or
/// for another process' lock) and gives back what is in hand.
#[derive(Clone)]
pub struct SqliteQueue(Arc<Inner>);

struct Inner {
    path: PathBuf,
    options: Options,
    /// None while closing, and where it is only looked at.
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    returns: UnboundedSender<Tag>,
    news: Arc<LaneNotifier>,
    /// For counting beside the thread.
    reader: Arc<Mutex<FileConnection>>,
    held: HeldFile,
}

impl SqliteQueue {
    /// Opens the queue file at `path`, or makes it.
    ///
    /// [`QueueError::File`]: it is another program's, or a newer release's.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, QueueError> {
        let path = path.as_ref().to_owned();
        end_interrupted(&path, options.clock.now_ms())?;
        if is_log_damaged(&path) {
            // Opened, it would lose what is behind the damage.
            return Err(fault::damage("its log is damaged".to_owned()).into());
        }
        schema::prepare(&path)?;
        let held = HeldFile::default();
        let mut connection = FileConnection::of_writer(&path, held.clone());
        connection.open_if_needed()?;
        let known = connection.run(|db| FileMark::read(db))?;
        held.set_mark(known);
        let reader = Arc::new(Mutex::new(FileConnection::new(&path, held.clone())));
        let (commands, waiting) = mpsc::channel(COMMANDS_MAX);
        let (returns, returned) = mpsc::unbounded_channel();
        let news = Arc::new(LaneNotifier::default());
        let writer = Writer {
            connection,
            options: options.clone(),
            hands: Leases::new(random_tag()),
            commands: waiting,
            returned,
            returns: returns.clone(),
            news: Arc::clone(&news),
            looked_at_ms: i64::MIN / 2,
            mended_at: None,
            shrunk_at: None,
            reader: Arc::clone(&reader),
            held: held.clone(),
            known,
            seen_at_ms: options.clock.now_ms(),
            files_log: OutageLog::new(),
            lease_failures: OutageLog::new(),
        };
        let thread = start(writer, &path)?;
        let (commands, thread) = (Some(commands), Some(thread));
        Ok(Self(Arc::new(Inner { path, options, commands, thread, returns, news, reader, held })))
    }

    /// Opens the queue file at `path`. If it is damaged, all that can be read goes into a fresh one that
    /// takes its place, and the damaged one is kept beside it, with an error in the log.
    pub fn open_or_mend(path: impl AsRef<Path>, options: Options) -> Result<Self, QueueError> {
        let path = path.as_ref();
        match Self::open(path, options.clone()) {
            Err(error) if schema::is_damage(&error) => {
                tracing::error!(
                    error = %Causes(&error),
                    path = %path.display(),
                    "the queue file is damaged"
                );
                mend(path, &options)?;
                Self::open(path, options)
            }
            opened => opened,
        }
    }

    /// Opens the queue file at `path` to look into it: nothing is made, mended or written, and whatever
    /// writes is refused.
    pub fn inspect(path: impl AsRef<Path>, options: Options) -> Result<Self, QueueError> {
        let path = path.as_ref().to_owned();
        if is_log_damaged(&path) {
            return Err(fault::damage("its log is damaged".to_owned()).into());
        }
        schema::look(&path)?;
        let (returns, _) = mpsc::unbounded_channel();
        let held = HeldFile::default();
        let news = Arc::new(LaneNotifier::default());
        let reader = Arc::new(Mutex::new(FileConnection::new(&path, held.clone())));
        let (commands, thread) = (None, None);
        Ok(Self(Arc::new(Inner { path, options, commands, thread, returns, news, reader, held })))
    }

    /// Which file it is, and how far it had come when it was last written.
    pub(super) fn mark(&self) -> Option<FileMark> {
        self.0.held.mark()
    }

    /// Reads beside the writer thread, which is told of damage that is met.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let reader = Arc::clone(&self.0.reader);
        let reading = blocking(move || {
            let mut connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(connection.run(|db| read(db))?)
        });
        let read = reading.await;
        self.notice(&read);
        read
    }

    /// Tells the writer thread of what was met beside it, if it can do something about it.
    fn notice<T>(&self, done: &Result<T, QueueError>) {
        let Err(QueueError::Sqlite(error)) = done else { return };
        let is_mendable = fault::of(error) == Fault::Damage || fault::is_read_only(error);
        if let Some(commands) = self.0.commands.as_ref().filter(|_| is_mendable) {
            // A full channel has a command that meets it itself.
            let _ = commands.try_send(Command::Mend { found: fault::again(error) });
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.0.commands.as_ref().ok_or(QueueError::Closed)?;
        commands.send(command(reply)).await.map_err(|_| QueueError::Closed)?;
        answer.await.map_err(|_| QueueError::Closed)?
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    fn backend(&self) -> &'static str {
        "embedded"
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        let stored = StoredForm::of(&webhook)?;
        self.ask(|reply| Command::Publish { webhook, stored, reply }).await
    }

    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        loop {
            // Listens before it asks: what comes in between is not missed.
            let mut news = pin!(self.0.news.of(lane));
            news.as_mut().enable();
            let deliveries = self.ask(|reply| Command::Claim { lane, limit, reply }).await?;
            if !deliveries.is_empty() || Instant::now() >= deadline {
                return Ok(deliveries);
            }
            // Either way it asks again.
            let _ = timeout_at(deadline.min(Instant::now() + POLL), news).await;
        }
    }

    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let ending = Ending::of(deliveries, self.0.returns.clone());
        self.ask(|reply| Command::Ack { ending, reply }).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError> {
        let (ending, mut failures) = Ending::of_one(delivery, self.0.returns.clone());
        failures.push(failure);
        if failures.len() > FAILURES_MAX {
            failures.remove(1);
        }
        let failures = serde_json::to_string(&failures)?;
        let after_ms = millis(after);
        self.ask(|reply| Command::Retry { ending, failures, after_ms, reply }).await
    }

    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError> {
        waiting::list(self, count_max).await
    }

    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError> {
        waiting::hasten_chosen(self, choice, count_max).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let options = &self.0.options;
        let now_ms = options.clock.now_ms();
        let bytes_max = options.bytes_max;
        self.read(move |db| depth::read(db, now_ms, bytes_max)).await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        let path = self.0.path.clone();
        let bytes_max = self.0.options.bytes_max;
        let held = self.0.held.clone();
        let probed = blocking(move || {
            held.check(&path)?;
            probe::probe(&path, bytes_max)
        })
        .await;
        self.notice(&probed);
        probed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the thread; leases end what it had in hand.
            let _ = thread.join();
        }
    }
}

fn mend(path: &Path, options: &Options) -> Result<(), QueueError> {
    let now_ms = options.clock.now_ms();
    let until_ms = now_ms.saturating_add(millis(options.lease));
    rescue(path, FileIdentity::of(path), &Holder { in_hand: &[], now_ms, until_ms })
}

/// Another file beside `path`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn start(writer: Writer, path: &Path) -> Result<JoinHandle<()>, QueueError> {
    let failed = |error: std::io::Error| QueueError::File {
        path: path.display().to_string(),
        problem: format!("no thread can be started for it: {error}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(failed)?;
    thread::Builder::new()
        .name("queue-writer".to_owned())
        .spawn(move || runtime.block_on(writer.run()))
        .map_err(failed)
}

/// Runs what waits for the disk where it holds up no other task.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueueError> + Send + 'static,
) -> Result<T, QueueError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| QueueError::Closed)?
}

#[expect(clippy::disallowed_methods, reason = "tags must differ between processes on one file")]
fn random_tag() -> Tag {
    use rand::Rng;
    rand::rng().next_u64()
}

/// Saturates: no lease or delay is that long.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

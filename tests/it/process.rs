//! The real binary as a process of its own, which can be killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::sender::Sending;
use waha_ingest::simulate::Age;

use crate::app::KEY;
use crate::wait::wait_for;

const BINARY: &str = env!("CARGO_BIN_EXE_waha-ingest");
const PATIENCE: Duration = Duration::from_secs(60);
/// The ports of processes; `tests/servers` has those above.
const PORTS: std::ops::Range<u16> = 10_000..15_000;
const PORTS_COUNT: u16 = PORTS.end - PORTS.start;

/// Where a process keeps its files, and which ports and database it uses.
pub struct Setting<'a> {
    pub folder: &'a Path,
    pub database_url: &'a str,
    pub port: u16,
    pub admin_port: u16,
    /// A broker; without it the embedded queue.
    pub queue_url: Option<String>,
    /// More of the environment; wins over what is set here by itself.
    pub environment: Vec<(&'static str, String)>,
}

impl<'a> Setting<'a> {
    pub fn new(folder: &'a Path, database_url: &'a str) -> Self {
        Self {
            folder,
            database_url,
            port: free_port(),
            admin_port: free_port(),
            queue_url: None,
            environment: Vec::new(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/default", self.port)
    }

    /// Signs for its door, so many at a time, and tries nothing again.
    pub fn sending(&self, connections: usize) -> Sending {
        Sending {
            urls: vec![self.url()],
            key: Some(KEY.into()),
            connections,
            rate: None,
            attempts_max: 0,
            retry_delay: Duration::ZERO,
            waha: Age::default(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.folder)
            .env("WAHA_INGEST__DATABASE__URL", self.database_url)
            .env("WAHA_INGEST__SERVER__LISTEN", format!("127.0.0.1:{}", self.port))
            .env("WAHA_INGEST__ADMIN__LISTEN", format!("127.0.0.1:{}", self.admin_port))
            .env("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", KEY);
        if let Some(url) = &self.queue_url {
            command.env("WAHA_INGEST__QUEUE__URL", url);
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Starts `up` and waits until it is ready.
    pub async fn up(&self) -> Process {
        let process = self.spawn(&["up", "--migrate"]);
        self.answers("readyz").await;
        process
    }

    /// A command whose files may be limited: it ignores the signal that says so.
    pub fn enduring(&self, arguments: &[&str]) -> Command {
        let command = self.command(arguments);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(command.get_program());
        shell.args(command.get_args()).env_clear().current_dir(self.folder);
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    }

    /// Starts a command in the background; its log is in the folder.
    pub fn spawn(&self, arguments: &[&str]) -> Process {
        self.spawn_command(self.command(arguments))
    }

    /// Starts a command that was made by `command` and changed.
    pub fn spawn_command(&self, mut command: Command) -> Process {
        let path = self.folder.join("log");
        let log = std::fs::File::options().create(true).append(true).open(path).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Process(child)
    }

    /// Waits until the admin listener answers 200 on a path.
    pub async fn answers(&self, path: &str) {
        let _log = LogOnPanic(self.folder.join("log"));
        let url = format!("http://127.0.0.1:{}/{path}", self.admin_port);
        let client = http_client::plain().build().unwrap();
        wait_for(path, PATIENCE, || async {
            client.get(&url).send().await.ok().filter(|r| r.status().is_success()).map(drop)
        })
        .await;
    }

    /// The status once nothing waits any more.
    pub async fn settled(&self, limit: Duration) -> Value {
        wait_for("an empty queue", limit, || async {
            let status = self.status();
            let is_ended = ended(&status) >= status["accepted"].as_u64().unwrap();
            (status["waiting"] == 0 && is_ended).then_some(())
        })
        .await;
        // Asked anew: with a broker, what moved while the first was counted is uncertain there.
        self.status()
    }
}

/// How many webhooks reached their end, by a status.
pub fn ended(status: &Value) -> u64 {
    ["applied", "duplicate", "ignored", "dead_lettered"]
        .map(|outcome| status[outcome].as_u64().unwrap())
        .iter()
        .sum()
}

/// A running process; dropped, it is killed.
pub struct Process(Child);

impl Process {
    /// Starts a command with a log that goes into a pipe from which nobody reads.
    pub fn with_unread_log(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end, and its exit code.
    pub fn end(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.0.wait().unwrap().code()
    }

    /// The most memory that it ever had (`VmHWM` of Linux).
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        Command::new("kill").args([signal, &pid]).status().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows what a process said when a test waits for it in vain.
struct LogOnPanic(PathBuf);

impl Drop for LogOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.0).unwrap_or_default());
        }
    }
}

/// Below the ports that the kernel gives to whoever connects somewhere: while a process is dead between two
/// starts, one of those would soon be somebody's. For the same reason none is given twice.
fn free_port() -> u16 {
    static GIVEN: LazyLock<AtomicU16> = LazyLock::new(|| rand::random_range(PORTS).into());
    let next = || GIVEN.fetch_add(1, Ordering::Relaxed) % PORTS_COUNT + PORTS.start;
    let mut candidates = std::iter::repeat_with(next);
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

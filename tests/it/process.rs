//! The real binary as a process of its own, which can be killed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::app::KEY;
use crate::wait::wait_for;

const BINARY: &str = env!("CARGO_BIN_EXE_waha-ingest");
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a process keeps its files, and which ports and database it uses.
pub struct Setting<'a> {
    pub folder: &'a Path,
    pub database_url: &'a str,
    pub port: u16,
    pub admin_port: u16,
}

impl<'a> Setting<'a> {
    pub fn new(folder: &'a Path, database_url: &'a str) -> Self {
        Self { folder, database_url, port: free_port(), admin_port: free_port() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/default", self.port)
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
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let mut command = self.command(&["up", "--migrate"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let process = Process(child);
        let ready = format!("http://127.0.0.1:{}/readyz", self.admin_port);
        wait_for("a ready process", PATIENCE, || async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.get(&ready).send().await.ok().filter(|r| r.status().is_success()).map(drop)
        })
        .await;
        process
    }

    /// The status once nothing waits any more.
    pub async fn settled(&self, limit: Duration) -> Value {
        wait_for("an empty queue", limit, || async {
            let status = self.status();
            (status["waiting"] == 0).then_some(status)
        })
        .await
    }
}

/// A running process; dropped, it is killed.
pub struct Process(Child);

impl Process {
    /// kill -9.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

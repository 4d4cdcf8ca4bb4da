//! The real `serve` with the embedded queue, in a process of its own with so many descriptors.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::wait::wait_for;

pub const KEY: &str = "secret";
/// How long a process may take to begin or to end.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running door; dropped, it is killed.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// With settings such as `("SERVER__HEAD_TIMEOUT_MS", "1000")`, and at most so many descriptors.
    pub async fn start(descriptors: usize, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [address, admin] = free_addresses();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &descriptors.to_string()])
            .args([env!("CARGO_BIN_EXE_waha-ingest"), "serve"])
            .env_clear()
            .env("WAHA_INGEST__SERVER__LISTEN", address.to_string())
            .env("WAHA_INGEST__ADMIN__LISTEN", admin.to_string())
            .env("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", KEY)
            .env("WAHA_INGEST__LOG__FORMAT", "json")
            .envs(settings.iter().map(|(key, value)| (format!("WAHA_INGEST__{key}"), value)))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log);
        let server = Self { child: command.spawn().expect("a process"), address, admin, folder };
        wait_for("a listening door", PATIENCE, || async {
            TcpStream::connect(address).await.is_ok().then_some(())
        })
        .await;
        server
    }

    /// Its memory, in kB.
    pub fn rss_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("procfs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// SIGTERM; its exit code once it has ended.
    pub async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        let child = Mutex::new(&mut self.child);
        let ended = || async { child.lock().expect("a child").try_wait().expect("a child") };
        wait_for("the end of the process", PATIENCE, ended).await.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both at once, so that they differ. No client comes from this address, so none takes the port before the
/// process does.
fn free_addresses() -> [SocketAddr; 2] {
    let any = SocketAddr::from((IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), 0));
    let listeners = [(); 2].map(|()| TcpListener::bind(any).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}

//! What is measured, each in a process of its own: CPU and memory are its alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use waha_ingest::clock::SystemClock;
use waha_ingest::config::Config;
use waha_ingest::metrics::door::DoorMetrics;
use waha_ingest::queue::{
    BatchLimit, Delivery, Depth, Failure, Hastened, Lane, Queue, QueueError, RetryChoice, Retrying,
};
use waha_ingest::server::{Door, listen, serve_public};
use waha_ingest::webhook::Webhook;
use waha_ingest::webhook::source::Source;

use super::bare::{self, Target};
use super::load::{KEY, setting};

/// Names the variant that a child of this benchmark is to be.
const VARIANT: &str = "DOOR_VARIANT";
const PORT: &str = "DOOR_PORT";
const PREFIX: &str = "DOOR_PREFIX";

/// What takes the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The real door before a queue that keeps nothing: actix and the signature.
    Verify,
    /// The smallest handler that is correct, before a queue of its own.
    Plain,
    /// The same before the exchange and queues of `serve`.
    Ours,
    /// `waha-ingest serve`.
    Serve,
    /// That of another release, if `OTHER` names its binary.
    Other,
}

impl Variant {
    pub const ALL: [Self; 5] = [Self::Verify, Self::Plain, Self::Ours, Self::Serve, Self::Other];
}

/// The binary of another release that is compared.
pub fn other() -> Option<String> {
    setting("OTHER")
}

/// A process that takes webhooks; dropped, it is killed.
pub struct Server {
    variant: Variant,
    child: Child,
    address: SocketAddr,
    url: String,
    prefix: String,
    _folder: TempDir,
}

impl Server {
    /// Starts one of each, in the order of [`Variant::ALL`]. They may need some seconds to connect.
    pub async fn start_all(url: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let is_there = |variant: &Variant| *variant != Variant::Other || other().is_some();
        for variant in Variant::ALL.into_iter().filter(is_there) {
            all.push(Self::start(variant, url).await);
        }
        all
    }

    /// With queues of its own.
    async fn start(variant: Variant, url: &str) -> Self {
        let (port, prefix) = (free_port(), bare::prefix());
        // Declaring the queues takes seconds, and is not what is measured.
        drop(bare::ours(url, &prefix).await);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = match variant {
            Variant::Serve => serve(env!("CARGO_BIN_EXE_waha-ingest"), port, url, &prefix),
            Variant::Other => serve(&other().expect("a binary"), port, url, &prefix),
            Variant::Verify | Variant::Plain | Variant::Ours => child(variant, port, url, &prefix),
        };
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(log);
        let (child, url) = (command.spawn().expect("a process"), url.to_owned());
        Self { variant, child, address: address(port), url, prefix, _folder: folder }
    }

    pub fn variant(&self) -> Variant {
        self.variant
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Empties its queues.
    pub async fn empty(&self) {
        bare::empty(&self.url, &self.prefix).await;
    }

    /// Ends it, and removes its queues so that the next does not share the disk with them.
    pub async fn remove(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
        bare::remove(&self.url, &self.prefix).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, unless the benchmark failed.
        let _ = self.child.kill();
    }
}

fn serve(binary: &str, port: u16, url: &str, prefix: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .env_clear()
        .env("WAHA_INGEST__SERVER__LISTEN", address(port).to_string())
        .env("WAHA_INGEST__ADMIN__LISTEN", address(free_port()).to_string())
        .env("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", KEY)
        .env("WAHA_INGEST__QUEUE__URL", url)
        .env("WAHA_INGEST__QUEUE__PREFIX", prefix);
    command
}

fn child(variant: Variant, port: u16, url: &str, prefix: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .env(VARIANT, format!("{variant:?}"))
        .env(PORT, port.to_string())
        .env(PREFIX, prefix)
        .env("TEST_AMQP_URL", url);
    command
}

/// Is the variant that the environment asks for, until it is killed; returns at once if there is none.
pub async fn be_a_child(url: &str) {
    let Some(name) = setting::<String>(VARIANT) else { return };
    let port = setting(PORT).expect("a port");
    let prefix: String = setting(PREFIX).expect("a prefix");
    let listener = listen(address(port)).expect("a free port");
    match Variant::ALL.into_iter().find(|variant| format!("{variant:?}") == name) {
        Some(Variant::Verify) => verify(listener).await,
        Some(Variant::Plain) => bare::serve(listener, url, &prefix, Target::Plain).await,
        Some(Variant::Ours) => bare::serve(listener, url, &prefix, Target::Ours).await,
        Some(Variant::Serve | Variant::Other) | None => unreachable!("no variant of this program"),
    }
}

async fn verify(listener: TcpListener) {
    let config = Config::load_defaults().expect("defaults");
    let sources = vec![Source::signed("default", &[KEY.into()])];
    let (queue, clock) = (Arc::new(Discard), Arc::new(SystemClock));
    let door = Door::new(sources, queue, clock, config.limits.clone(), DoorMetrics::new(&[]));
    let server = serve_public(listener, Arc::new(door), config.stop_grace).expect("a server");
    server.await.expect("a server that goes on");
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(address(0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Takes everything and keeps nothing.
struct Discard;

#[async_trait]
impl Queue for Discard {
    fn backend(&self) -> &'static str {
        "discard"
    }

    async fn publish(&self, _: Webhook) -> Result<(), QueueError> {
        Ok(())
    }

    async fn receive(
        &self,
        _: Lane,
        _: BatchLimit,
        _: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn ack(&self, _: Vec<Delivery>) -> Result<(), QueueError> {
        Ok(())
    }

    async fn retry(&self, _: Delivery, _: Failure, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }

    async fn retrying(&self, _: usize) -> Result<Retrying, QueueError> {
        Ok(Retrying::default())
    }

    async fn retry_now(&self, _: RetryChoice, _: usize) -> Result<Hastened, QueueError> {
        Ok(Hastened::default())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }

    async fn probe(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

//! RabbitMQ nodes for tests: one that all share, and others to break.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use waha_ingest::queue::rabbitmq::Options;

/// Options for the shared node, with names that no other test uses.
pub fn options() -> Options {
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL is not set: run tests/run");
    Options { prefix: prefix(), ..Options::new(vec![url.into()]) }
}

/// A prefix that no other test uses.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A node of one test.
pub struct Node {
    folder: TempDir,
    pub url: String,
}

impl Node {
    /// Starts it; takes some seconds.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut node = Self { folder, url: String::new() };
        node.url = node.does("start");
        node
    }

    /// `kill`, `resume`, `freeze`, `thaw`.
    pub fn does(&self, what: &str) -> String {
        let output = Command::new(script()).arg(what).arg(self.home()).output().expect("a script");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("node")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What fails here is cleaned up by tests/run.
        let _ = Command::new(script()).arg("kill").arg(self.home()).output();
    }
}

fn script() -> PathBuf {
    let folder = std::env::var("TEST_SERVERS_DIR").expect("TEST_SERVERS_DIR: run tests/run");
    PathBuf::from(folder).join("rabbitmq")
}

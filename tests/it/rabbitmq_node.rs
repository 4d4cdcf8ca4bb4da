//! RabbitMQ nodes for tests: one that all share, and others to break.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use waha_ingest::queue::rabbitmq::Options;
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

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

    /// Options for this node.
    pub fn options(&self) -> Options {
        Options { prefix: prefix(), ..Options::new(vec![self.url.clone().into()]) }
    }

    /// Runs `rabbitmqctl` against this node.
    pub fn control(&self, arguments: &[&str]) {
        let home = self.home();
        let port = std::fs::read_to_string(home.join("epmd_port")).expect("a port");
        let output = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", port.trim())
            .env("RABBITMQ_NODENAME", "waha-ingest-test@localhost")
            .env("RABBITMQ_CONF_ENV_FILE", home.join("env.conf"))
            .output()
            .expect("rabbitmqctl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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

/// A webhook for the messages lane.
pub fn message(id: &str) -> Webhook {
    let body = serde_json::json!({ "event": "message", "session": "shop", "id": id });
    WebhookParts {
        key: WebhookKey {
            source: "default".to_owned(),
            session: "shop".to_owned(),
            event_type: "message".to_owned(),
            id: id.to_owned(),
        },
        receipt: Receipt::new(),
        at_ms: 1_750_000_000_000,
        received_at_ms: 1_750_000_000_000,
        replay: false,
        headers: std::collections::BTreeMap::new(),
        body: Bytes::from(body.to_string()),
    }
    .into()
}

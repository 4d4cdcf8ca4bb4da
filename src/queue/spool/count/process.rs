//! Which process counts.

use serde::{Deserialize, Serialize};

/// A process that has a door and a spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorProcess {
    /// The machine, pod or container.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// Its release.
    pub version: String,
    /// When it started, ms since 1970.
    pub started_ms: i64,
    /// When it last wrote, ms since 1970.
    pub seen_ms: i64,
    /// Which start of the machine it runs in: what was not durable is lost with that.
    pub(super) boot: Option<String>,
}

impl DoorProcess {
    /// The one that runs.
    pub(super) fn this(started_ms: i64, now_ms: i64) -> Self {
        let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            host: host.chars().take(255).collect(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms,
            seen_ms: now_ms,
            boot: boot.map(|boot| boot.trim().to_owned()),
        }
    }

    /// Whether another process ran since the machine started as this one does: what it wrote is there then,
    /// also what was not made durable.
    pub(super) fn is_of_boot(&self, other: &Self) -> bool {
        self.boot.is_some() && self.boot == other.boot
    }
}

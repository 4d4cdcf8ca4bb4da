//! What can be told of a webhook that can't be handed out, and the file where that is kept.
//!
//! Written when a claim meets such a row, and by `rescue`. Invariant: the line is on the disk before the
//! row leaves the queue file; a crash in between writes the line twice, never not.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Serialize;

use super::with_suffix;

/// One line of the file, in JSON. What is unknown is null; texts that were damaged have U+FFFD.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct DamagedRow {
    /// When it was set aside, ms since 1970.
    pub(super) set_aside_at_ms: i64,
    /// What is wrong with it.
    pub(super) problem: String,
    /// Its number in the queue file.
    pub(super) seq: i64,
    pub(super) lane: Option<String>,
    pub(super) replay: Option<bool>,
    pub(super) received_at_ms: Option<i64>,
    /// As far as it can be read.
    pub(super) webhook: Option<DamagedWebhook>,
}

/// The stored columns, as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct DamagedWebhook {
    pub(super) source: String,
    pub(super) session: String,
    pub(super) event_type: String,
    pub(super) id: String,
    pub(super) receipt: i64,
    pub(super) at_ms: i64,
    /// Their JSON text.
    pub(super) headers: String,
    pub(super) body_base64: String,
}

impl DamagedRow {
    /// Whether it is an accepted webhook; one that can't be told from a replay counts as one.
    pub(super) fn is_accepted(&self) -> bool {
        self.replay != Some(true)
    }

    /// Whether there is more of it than its number.
    pub(super) fn is_identified(&self) -> bool {
        self.webhook.is_some()
    }
}

/// Bytes as a text of JSON.
pub(super) fn encode_body(body: &[u8]) -> String {
    BASE64_STANDARD.encode(body)
}

/// The file beside the queue file at `queue`.
pub(super) fn path_beside(queue: &Path) -> PathBuf {
    with_suffix(queue, ".set-aside.jsonl")
}

/// Appends a line for each, and waits until the disk has them. Only the owner can read the file: there
/// are bodies in it.
pub(super) fn append(queue: &Path, rows: &[DamagedRow]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    let path = path_beside(queue);
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
    file.write_all(&lines)?;
    file.sync_all()?;
    sync_folder(&path)
}

/// Makes names durable that were made or changed beside `path`.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

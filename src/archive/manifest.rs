//! What stands beside a file of the archive. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::part::Part;
use crate::operations::ArchivePage;
use crate::store::operations::retention::month::Month;
use crate::store::operations::retention::personal_kinds;

/// Whose rows are in the lines.
const TABLES: [&str; 3] = ["webhook_events", "webhook_bodies", "webhook_duplicates"];
/// The form of manifests and lines. A newer one is refused.
const FORMAT: u32 = 1;

/// What a file of the archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this and of the lines.
    pub format: u32,
    /// The month in which its webhooks were received, as 2026-11.
    pub month: String,
    /// The name of the file in the archive.
    pub file: String,
    /// Lines in it: one for each row of the ledger.
    pub webhooks: u64,
    /// Those with a body.
    pub with_body: u64,
    /// Requests that repeated one of them.
    pub repetitions: u64,
    /// Webhooks by how they ended.
    pub outcomes: BTreeMap<String, u64>,
    /// Data of persons in it, by kind.
    pub personal: Vec<String>,
    /// Bytes of the lines.
    pub plain_bytes: u64,
    /// Bytes of the file.
    pub packed_bytes: u64,
    /// Of the file, in hex.
    pub sha256: String,
    /// Of the lines, in hex.
    pub plain_sha256: String,
    /// When the first of them was received.
    pub first_received_at: DateTime<Utc>,
    /// When the last of them was received.
    pub last_received_at: DateTime<Utc>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    /// They are no JSON of this form.
    #[error("it is no manifest")]
    Form(#[from] serde_json::Error),
    /// A newer release wrote it.
    #[error("its format {0} is newer than this release")]
    Newer(u32),
}

impl Manifest {
    pub(super) fn of(file: &str, month: Month, page: &ArchivePage, part: &Part) -> Self {
        Self {
            format: FORMAT,
            month: month.to_string(),
            file: file.to_owned(),
            webhooks: page.ids.len() as u64,
            with_body: page.with_body,
            repetitions: page.repetitions,
            outcomes: page.outcomes.clone(),
            personal: personal_kinds(&TABLES).into_iter().map(str::to_owned).collect(),
            plain_bytes: page.lines.len() as u64,
            packed_bytes: part.bytes.len() as u64,
            sha256: part.sha256.clone(),
            plain_sha256: part.plain_sha256.clone(),
            first_received_at: page.first_received_at,
            last_received_at: page.last_received_at,
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::json!(self).to_string();
        text.push('\n');
        text.into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format > FORMAT {
            return Err(ManifestError::Newer(manifest.format));
        }
        Ok(manifest)
    }
}

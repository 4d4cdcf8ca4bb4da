//! What a backup says of itself, in `backup.json`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use super::{KEY, QUEUE, TABLES};

/// Its name in the folder: a folder without it is no backup.
pub(super) const NAME: &str = "backup.json";

/// What may be in one.
pub(super) const KNOWN: [&str; 3] = [QUEUE, TABLES, KEY];

/// Of the folder; a higher one was made by a newer release.
const FORMAT: u32 = 1;

/// What is in a backup, and of when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The release that made it.
    pub release: String,
    /// The instant that it shows.
    pub made_at: DateTime<Utc>,
    /// What was copied.
    pub files: Vec<CopiedFile>,
    /// What the queue held; none if it is no file.
    pub queue: Option<QueueCounts>,
}

/// What the queue held at that instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// Webhooks ever accepted.
    pub accepted: u64,
    /// Those of them that had not ended.
    pub waiting: u64,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

impl CopiedFile {
    pub(super) fn of(name: &str, path: &Path) -> Result<Self, BackupError> {
        let bytes = path.metadata().map_err(BackupError::file(path))?.len();
        Ok(Self { name: name.to_owned(), bytes })
    }
}

impl Manifest {
    /// Of a backup that this release makes now, without files so far.
    pub fn at(now: DateTime<Utc>) -> Self {
        let release = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, release, made_at: now, files: Vec::new(), queue: None }
    }

    /// All bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What it is, in one line for people.
    pub fn summary(&self) -> String {
        let names: Vec<_> = self.files.iter().map(|file| file.name.as_str()).collect();
        let (what, at, bytes) = (names.join(", "), self.made_at.to_rfc3339(), self.bytes());
        let told = format!("{what} of {at}: {bytes} bytes");
        match self.queue {
            None => told,
            Some(QueueCounts { accepted, waiting }) => {
                format!("{told}; {accepted} webhooks accepted, {waiting} of them waiting")
            }
        }
    }

    /// Of the backup in a folder; files that are missing or of another length make it unusable.
    pub fn read(folder: &Path) -> Result<Self, BackupError> {
        let manifest = Self::parse(folder)?;
        for file in &manifest.files {
            let there = folder.join(&file.name).metadata().map(|it| it.len()).ok();
            if there != Some(file.bytes) {
                let problem = format!("{} is missing or was changed", file.name);
                return Err(BackupError::unusable(folder, problem));
            }
        }
        Ok(manifest)
    }

    /// The same whether the files are there or not.
    pub(super) fn parse(folder: &Path) -> Result<Self, BackupError> {
        let unusable = |problem: String| BackupError::unusable(folder, problem);
        let text = std::fs::read_to_string(folder.join(NAME))
            .map_err(|error| unusable(format!("{NAME} can't be read: {error}")))?;
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| unusable(format!("{NAME} says nothing that is known: {error}")))?;
        if manifest.format != FORMAT {
            let format = manifest.format;
            return Err(unusable(format!("its format is {format}, this release knows {FORMAT}")));
        }
        // A name that leads elsewhere is nobody's.
        if let Some(odd) = manifest.files.iter().find(|file| !KNOWN.contains(&file.name.as_str())) {
            return Err(unusable(format!("it names {:?}", odd.name)));
        }
        Ok(manifest)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(NAME);
        let write = || {
            let mut file = File::create_new(&path)?;
            serde_json::to_writer_pretty(&file, self)?;
            writeln!(file)?;
            file.sync_all()
        };
        write().map_err(BackupError::file(&path))
    }
}

//! Reads files that `export` and the archive wrote, packed or not, and fetches a month of the archive to this machine.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::output::errln;
use crate::config::Config;
use crate::lifecycle::{make_data_dir, open_archive};
use crate::store::operations::retention::month::Month;

/// What a file packed with zstd begins with.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file of lines; one that is packed is unpacked while it is read.
pub(super) fn open_lines(path: &Path) -> std::io::Result<Box<dyn BufRead + Send>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    if head != MAGIC {
        return Ok(Box::new(BufReader::new(file)));
    }
    Ok(Box::new(BufReader::new(zstd::stream::read::Decoder::new(file)?)))
}

/// A month of the archive in a file of the data folder, as long as this is there.
pub(super) struct ArchivedMonth(PathBuf);

impl ArchivedMonth {
    /// Copies it; each file of the archive is checked.
    pub(super) async fn fetch(config: &Config, month: Month) -> anyhow::Result<Self> {
        let archive = open_archive(config)?.context("archive.url is not set")?;
        make_data_dir(config)?;
        let path = config.data_dir.join(format!("archive-{month}.{}.tmp", std::process::id()));
        let copy = Self(path);
        let mut file =
            File::create_new(copy.path()).with_context(|| copy.0.display().to_string())?;
        let webhooks = archive.copy(month, &mut file).await?;
        anyhow::ensure!(webhooks > 0, "{} has nothing of {month}", archive.place());
        errln!("{} has {webhooks} webhooks of {month}", archive.place());
        Ok(copy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ArchivedMonth {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

//! Mending a damaged queue file: everything that can be read goes into a fresh one, which takes its
//! place; the damaged one is kept whole beside it.
//!
//! Called by the writer thread when it meets damage, and at start. `SQLite` can't read behind a damaged
//! page, so the pages are read one by one: `log_file` and `page_file` know the format, `record` and
//! `row` tell what is on a page, `harvest` fills the fresh file. Invariants: nothing is changed in the
//! damaged file; the fresh one takes its place only when it is on the disk; no process works on both.

mod harvest;
mod log_file;
mod page_file;
mod record;
mod row;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use self::harvest::{Gleanings, Harvest};
use self::log_file::LogFile;
use self::page_file::PageFile;
use super::lease::LeasedRow;
use super::{damaged_row, quarantine, schema, with_suffix};
use crate::open_files::FileIdentity;
use crate::queue::{QueueError, Tag};

/// What the file that is kept is called.
const DAMAGED: &str = "damaged";

/// What a rescue must know of the process that does it.
pub(super) struct Holder<'a> {
    /// What it has in hand.
    pub(super) in_hand: &'a [(Tag, LeasedRow)],
    pub(super) now_ms: i64,
    /// When its leases end.
    pub(super) until_ms: i64,
}

/// Brings what can be read of the file at `path` into a fresh one in its place. Nothing is done if the
/// file is not `damaged` any more: then another process was first.
pub(super) fn rescue(
    path: &Path,
    damaged: Option<FileIdentity>,
    holder: &Holder,
) -> Result<(), QueueError> {
    let _turn = take_turn(path).map_err(|error| stuck(path, &error))?;
    if FileIdentity::of(path) != damaged {
        return Ok(());
    }
    // Other processes wait, if the damage allows to hold them; the swap tells them.
    let _hold = hold(path);
    let started = std::time::Instant::now();
    let gleanings = fill(path, holder)?;
    damaged_row::append(path, &gleanings.rows).map_err(|error| stuck(path, &error))?;
    let kept = quarantine::replace(path, &fresh_path(path), DAMAGED, holder.now_ms)?;
    tell(path, &kept, &gleanings, started.elapsed());
    Ok(())
}

/// Ends what a process began that was killed while it put a fresh file into place.
pub(super) fn end_interrupted(path: &Path, now_ms: i64) -> Result<(), QueueError> {
    if !fresh_path(path).exists() {
        return Ok(());
    }
    let _turn = take_turn(path).map_err(|error| stuck(path, &error))?;
    if fresh_path(path).exists() {
        quarantine::replace(path, &fresh_path(path), DAMAGED, now_ms)?;
    }
    Ok(())
}

/// Whether the log of the file has transactions that `SQLite` would drop without a word. To be asked
/// before the file is opened, because that drops them.
pub(super) fn is_log_damaged(path: &Path) -> bool {
    let looks_damaged = || {
        let log = LogFile::open(&with_suffix(path, "-wal"), page_bytes(path));
        log.ok().flatten().is_some_and(|log| log.is_damaged())
    };
    looks_damaged() && {
        // What others wrote after a look at what is in front of it seems to be behind damage. Held, they
        // write nothing; where nobody else has the file, nothing was written.
        let _hold = hold(path);
        looks_damaged()
    }
}

/// A complete fresh file, on its way to its place.
pub(super) fn fresh_path(path: &Path) -> PathBuf {
    with_suffix(path, ".rescued")
}

/// Others that would put a file into its place wait.
pub(super) fn take_turn(path: &Path) -> io::Result<File> {
    let turn = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(with_suffix(path, ".rescue-lock"))?;
    turn.lock()?;
    Ok(turn)
}

/// Keeps others from committing to the file; closing it ends that.
fn hold(path: &Path) -> Option<Connection> {
    let connection = schema::open_existing(path).ok()?;
    // The last connection to close would copy a damaged log into the file and remove it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
    schema::wait_when_busy(&connection).ok()?;
    connection.execute_batch("BEGIN IMMEDIATE").ok()?;
    Some(connection)
}

fn fill(path: &Path, holder: &Holder) -> Result<Gleanings, QueueError> {
    let unreadable = |error: io::Error| stuck(path, &error);
    let page_bytes = page_bytes(path);
    let log = LogFile::open(&with_suffix(path, "-wal"), page_bytes).map_err(unreadable)?;
    let pages = PageFile::open(path, log, page_bytes).map_err(unreadable)?;
    let part = with_suffix(path, ".rescued.part");
    let _ = fs::remove_file(&part);
    let gleanings = fill_fresh(&part, &pages, holder)?;
    let finished = File::open(&part).and_then(|file| file.sync_all());
    finished.and_then(|()| fs::rename(&part, fresh_path(path))).map_err(unreadable)?;
    Ok(gleanings)
}

/// Bytes of a page by the file's own header; those of new files, if that can't be read.
fn page_bytes(path: &Path) -> usize {
    page_file::told_page_bytes(path).unwrap_or(usize::from(schema::PAGE_BYTES))
}

/// Nobody sees the file before it is whole, so it needs no journal.
fn fill_fresh(part: &Path, pages: &PageFile, holder: &Holder) -> Result<Gleanings, QueueError> {
    let db = schema::make_fresh(part)?;
    db.execute_batch("BEGIN")?;
    let mut harvest = Harvest::new(&db, holder.now_ms)?;
    for number in pages.used_pages(&schema::roots(&db)?) {
        harvest.take(pages.content(number))?;
    }
    for content in pages.contents_behind() {
        harvest.take(content)?;
    }
    let gleanings = harvest.finish(holder.in_hand, holder.until_ms)?;
    db.execute_batch("COMMIT")?;
    db.close().map_err(|(_, error)| error)?;
    Ok(gleanings)
}

fn stuck(path: &Path, error: &io::Error) -> QueueError {
    QueueError::File {
        path: path.display().to_string(),
        problem: format!(
            "it is damaged and can't be mended: {error}; mending needs as much space as the webhooks in \
             it, and the right to write to its folder"
        ),
    }
}

fn tell(path: &Path, kept: &Path, gleanings: &Gleanings, took: std::time::Duration) {
    tracing::error!(
        path = %path.display(),
        damaged_file = %kept.display(),
        set_aside_file = %damaged_row::path_beside(path).display(),
        carried.count = gleanings.carried,
        set_aside.count = gleanings.set_aside,
        missing.count = gleanings.missing,
        missing.is_known = gleanings.is_count_known,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "the queue file was damaged: what could be read is in a fresh one and goes on; what could not be \
         read whole is in the file of what was set aside; the damaged file is kept. Look at the disk"
    );
}

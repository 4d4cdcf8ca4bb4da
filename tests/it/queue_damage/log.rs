//! Bytes that flip in the write-ahead log: `SQLite` drops every transaction behind them without a word.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tokio::task::spawn_blocking;
use waha_ingest::queue::sqlite::SqliteQueue;

use super::file::{QueueFile, WEBHOOKS, open_and_work_off, webhook, with_suffix};
use waha_ingest::queue::Queue;

/// A killed process' files, with everything but the first webhooks in the log.
async fn with_long_log() -> QueueFile {
    let file = QueueFile::new();
    let queue = file.open();
    queue.publish(webhook(0)).await.unwrap();
    // Whoever reads keeps the log from being started again.
    let reader = Connection::open(file.path()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM webhooks", [], |row| row.get::<_, i64>(0)).unwrap();
    for number in 1..WEBHOOKS {
        queue.publish(webhook(number)).await.unwrap();
    }
    file.copy()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_damaged_frame_is_lost() {
    let killed = with_long_log().await;
    let log = with_suffix(&killed.path(), "-wal");
    let bytes = fs::read(&log).unwrap();
    // What says that it is a log, its pages' size, and more of the header; in a frame's header; in pages
    // near the begin, the middle and the end.
    let ends = [bytes.len() / 10, bytes.len() / 2, bytes.len() - 9000];
    let places = [&[0, 3, 4, 10, 17, 24, 32 + 3, 32 + 8], &ends[..]].concat();
    for place in places {
        let file = killed.copy();
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x10;
        fs::write(with_suffix(&file.path(), "-wal"), bytes).unwrap();
        let case = format!("byte {place} of the log");
        let outcome = open_and_work_off(&file, &case).await;
        outcome.assert_whole(WEBHOOKS + 20, &case);
        assert!(outcome.gone() <= 4, "{case}: {} gone", outcome.gone());
        assert_eq!(file.kept().len(), 1, "{case}: it is told and kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_a_kill_cut_short_is_no_damage() {
    let killed = with_long_log().await;
    let log = with_suffix(&killed.path(), "-wal");
    let bytes = fs::read(&log).unwrap();
    for cut in [bytes.len(), bytes.len() - 1, bytes.len() - 5000, bytes.len() / 2] {
        let file = killed.copy();
        fs::write(with_suffix(&file.path(), "-wal"), &bytes[..cut]).unwrap();
        drop(file.open());
        assert_eq!(file.kept().len(), 0, "cut at {cut}");
    }
}

/// Whoever opens the file while others write reads their log in pieces: what was written after a look at
/// what is in front of it is not behind damage.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_being_written_is_no_damage() {
    let file = QueueFile::new();
    let queue = file.open();
    let is_over = Arc::<AtomicBool>::default();
    let door = queue.clone();
    let until = Arc::clone(&is_over);
    let publishing = tokio::spawn(async move {
        let mut published = 0;
        while !until.load(Ordering::Relaxed) {
            door.publish(webhook(published)).await.unwrap();
            published += 1;
        }
        published
    });
    for _ in 0..200 {
        let path = file.path();
        let opened = spawn_blocking(|| SqliteQueue::open(path, QueueFile::options()));
        drop(opened.await.unwrap().unwrap());
    }
    is_over.store(true, Ordering::Relaxed);
    let published = publishing.await.unwrap();
    let census = queue.census().await.unwrap();
    assert_eq!((census.accepted, census.waiting), (published as u64, published as u64));
}

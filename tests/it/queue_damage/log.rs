//! Bytes that flip in the write-ahead log: `SQLite` drops every transaction behind them without a word.

use std::fs;

use rusqlite::Connection;

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
    // In the header, in a frame's header, and in pages near the begin, the middle and the end.
    let places = [17, 32 + 3, bytes.len() / 10, bytes.len() / 2, bytes.len() - 9000];
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

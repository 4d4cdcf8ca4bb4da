//! Well-formed inputs, made of a body, to start from.

use std::fs;

use super::file::options;
use super::{SEPARATOR, accept};
use crate::queue::rabbitmq::fuzzing::written;
use crate::queue::sqlite::SqliteQueue;
use crate::queue::{Failure, Queue};

/// For [`broker_message`](super::broker_message).
pub fn broker_seed(body: &[u8]) -> Vec<u8> {
    let failure = Failure { at_ms: 1_794_000_000_000, error: "refused: code 23505".to_owned() };
    let properties = written(&accept(body), &[failure]);
    [&length(&properties)[..], &properties, body].concat()
}

/// For [`queue_row`](super::queue_row).
pub fn row_seed(body: &[u8]) -> Vec<u8> {
    let webhook = accept(body);
    let key = webhook.key();
    let headers = r#"{"x-webhook-request-id":"1"}"#;
    let failures = r#"[{"at_ms":1,"error":"refused"}]"#;
    let texts: [&str; 6] = [&key.source, &key.session, &key.event_type, &key.id, headers, failures];
    let texts = texts.map(str::as_bytes);
    texts.into_iter().chain([body]).collect::<Vec<_>>().join(&SEPARATOR)
}

/// For [`queue_file`](super::queue_file): what a killed process leaves, with all bodies but the first in
/// the log.
pub fn file_seed(bodies: &[&[u8]]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let queue = SqliteQueue::open(&path, options()).expect("a queue");
        let mut reader = None;
        for body in bodies {
            queue.publish(accept(body)).await.expect("published");
            // Whoever reads keeps the log from being started again.
            reader.get_or_insert_with(|| {
                let reader = rusqlite::Connection::open(&path).expect("a connection");
                reader.execute_batch("BEGIN; SELECT * FROM counters").expect("read");
                reader
            });
        }
        let file = fs::read(&path).expect("a file");
        let log = fs::read(folder.path().join("queue.db-wal")).expect("a log");
        [&length(&file)[..], &file, &log].concat()
    })
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("seeds are small").to_be_bytes()
}

//! A row of the queue file or the spool.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    waha_ingest::fuzzing::queue_row(bytes);
});

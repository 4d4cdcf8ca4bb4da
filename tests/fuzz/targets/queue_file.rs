//! A queue file and its log, damaged or not.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    waha_ingest::fuzzing::queue_file(bytes);
});

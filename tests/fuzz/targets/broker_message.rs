//! A message of the broker.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    waha_ingest::fuzzing::broker_message(bytes);
});

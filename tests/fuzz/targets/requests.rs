//! Request → verify → envelope → normalize → merge.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    waha_ingest::fuzzing::requests(bytes);
});

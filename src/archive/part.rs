//! A file of the archive: lines, packed. Pure.

use std::io::{self, Write};

use sha2::{Digest, Sha256};
use zstd::stream::write::{Decoder, Encoder};

use crate::operations::ArchivePage;

/// Written once and read seldom: smaller than what the tables keep, at a tenth of the speed.
const LEVEL: i32 = 9;

/// A packed part.
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// Of these bytes.
    pub(super) sha256: String,
    /// Of the lines.
    pub(super) plain_sha256: String,
}

/// Why bytes are no part.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// They can't be unpacked.
    #[error("it can't be unpacked")]
    Unpack(#[from] io::Error),
    /// The lines are others.
    #[error("its lines are not those that were written")]
    Lines,
}

impl Part {
    pub(super) fn pack(page: &ArchivePage) -> io::Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(&page.lines)?;
        let bytes = encoder.finish()?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { bytes, sha256, plain_sha256: hex::encode(Sha256::digest(&page.lines)) })
    }
}

/// Unpacks without keeping what comes out; returns how many lines there are.
pub(super) fn check(bytes: &[u8], plain_sha256: &str) -> Result<u64, PartError> {
    let mut decoder = Decoder::new(Lines::default())?;
    decoder.write_all(bytes)?;
    decoder.flush()?;
    let Lines { hash, lines } = decoder.into_inner();
    if hex::encode(hash.finalize()) != plain_sha256 {
        return Err(PartError::Lines);
    }
    Ok(lines)
}

/// Counts and hashes what is written to it.
#[derive(Default)]
struct Lines {
    hash: Sha256,
    lines: u64,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> ArchivePage {
        let lines: Vec<String> = (0..2_000).map(|line| format!("{{\"id\":{line}}}\n")).collect();
        let lines = lines.concat();
        ArchivePage { lines: lines.into(), ..ArchivePage::default() }
    }

    #[test]
    fn a_part_is_read_as_it_was_written_and_any_other_bytes_are_refused() {
        let part = Part::pack(&page()).unwrap();
        assert_eq!(check(&part.bytes, &part.plain_sha256).unwrap(), 2_000);
        for (at, byte) in part.bytes.iter().enumerate().step_by(7) {
            let mut damaged = part.bytes.clone();
            damaged[at] = !byte;
            assert!(check(&damaged, &part.plain_sha256).is_err(), "byte {at}");
            assert!(check(&part.bytes[..at], &part.plain_sha256).is_err(), "cut at {at}");
        }
    }
}

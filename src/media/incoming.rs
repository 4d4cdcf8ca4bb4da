//! What is looked at while a file comes: its length, its hash, its first bytes. Pure.

use sha2::{Digest, Sha256};

use super::problem::FetchProblem;

/// The first bytes, by which a type is known: the longest signature ends at 262.
const HEAD_BYTES: usize = 4096;

/// A file as far as it came.
pub(super) struct Incoming {
    hasher: Sha256,
    head: Vec<u8>,
    bytes: u64,
    bytes_max: u64,
}

/// What is known of a file that came whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenFile {
    pub(super) size_bytes: u64,
    /// In hex.
    pub(super) sha256: String,
    /// None if its first bytes tell nothing.
    pub(super) mime_type: Option<&'static str>,
}

impl Incoming {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { hasher: Sha256::new(), head: Vec::new(), bytes: 0, bytes_max }
    }

    /// Looks at what came next.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(), FetchProblem> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(FetchProblem::TooLarge);
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.hasher.update(bytes);
        Ok(())
    }

    /// At the end. `told`: the hash that its sender's client told.
    pub(super) fn end(self, told: Option<&str>) -> Result<SeenFile, FetchProblem> {
        let sha256 = hex::encode(self.hasher.finalize());
        if told.is_some_and(|told| told != sha256) {
            return Err(FetchProblem::WrongHash);
        }
        let mime_type = infer::get(&self.head).map(|kind| kind.mime_type());
        Ok(SeenFile { size_bytes: self.bytes, sha256, mime_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG's signature.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    #[test]
    fn length_type_and_hash_are_of_what_came() {
        let mut incoming = Incoming::new(8);
        incoming.look(&PNG[..3]).unwrap();
        incoming.look(&PNG[3..]).unwrap();
        let seen = incoming.end(None).unwrap();
        assert_eq!((seen.size_bytes, seen.mime_type), (8, Some("image/png")));
        let mut again = Incoming::new(8);
        again.look(PNG).unwrap();
        assert_eq!(again.end(Some(&seen.sha256)).unwrap(), seen);
    }

    /// Only the first bytes are looked at, and nothing is unpacked: what an archive promises to hold costs nothing.
    #[test]
    fn an_archive_is_told_by_its_first_bytes() {
        let mut bomb =
            b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x20\0\0\0\xff\xff\xff\xff\x05\0\0\0a.txt"
                .to_vec();
        bomb.extend([0; 32]);
        let mut incoming = Incoming::new(u64::MAX);
        incoming.look(&bomb).unwrap();
        let seen = incoming.end(None).unwrap();
        assert_eq!((seen.size_bytes, seen.mime_type), (bomb.len() as u64, Some("application/zip")));
    }

    #[test]
    fn too_much_and_another_file_are_refused() {
        let mut incoming = Incoming::new(7);
        assert_eq!(incoming.look(PNG), Err(FetchProblem::TooLarge));
        let mut incoming = Incoming::new(8);
        incoming.look(PNG).unwrap();
        assert_eq!(incoming.end(Some("00")), Err(FetchProblem::WrongHash));
    }
}

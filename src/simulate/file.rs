//! The files that messages carry: any number of bytes that begin and end as their kind does, from a seed.
//!
//! Made while they are read, at any place, so that a large file costs no memory. Told only where a plan says
//! where files are ([`Files`]); else histories name files that nobody has, with hashes of nothing.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::seeded_rng::{Purpose, SeededRng};

/// Bytes that are repeated between head and tail.
const BLOCK: usize = 4_096;
/// Fewest bytes of a file: head and tail of any kind, and some.
pub(crate) const BYTES_MIN: u64 = 256;
/// Bytes that are hashed at a time.
const HASHED_AT_ONCE: usize = 64 * 1024;

/// Where the files of a history are, and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// WAHA's own base URL, which links begin with; no slash at the end.
    pub base: String,
    /// Fewest bytes of a file; 256 at least.
    pub bytes_min: u64,
    /// Most bytes of a file.
    pub bytes_max: u64,
    /// Where WAHA keeps them.
    pub storage: Storage,
}

/// Where WAHA keeps files, as links show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On its disk, for a while.
    #[default]
    Disk,
    /// In a bucket; links are to WAHA, which passes them on.
    Proxied,
    /// In a bucket; links are presigned, and need no key.
    Presigned,
}

impl Files {
    /// Files of 2 to 60 kB.
    pub fn at(base: impl Into<String>) -> Self {
        Self { base: base.into(), bytes_min: 2_000, bytes_max: 60_000, storage: Storage::Disk }
    }

    /// The file of the message of `turn`.
    pub(crate) fn attach(&self, seed: u64, turn: u64, mimetype: &str) -> Attached {
        let mut rng = SeededRng::of(seed, turn, Purpose::File);
        let bytes_min = self.bytes_min.max(BYTES_MIN);
        let span = self.bytes_max.saturating_sub(bytes_min).saturating_add(1);
        let bytes = bytes_min + rng.below(span);
        let file = File { kind: Kind::of(mimetype), bytes, block: block(&mut rng) };
        let sha256 = OnceLock::new();
        Attached(Arc::new(Parts { base: self.base.clone(), storage: self.storage, file, sha256 }))
    }
}

/// The file of a message and where it is. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Attached(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    base: String,
    storage: Storage,
    file: File,
    /// Known once somebody asked.
    sha256: OnceLock<String>,
}

impl Attached {
    /// The link to the file of this folder and name.
    pub(crate) fn link(&self, name: &str) -> String {
        let base = &self.0.base;
        match self.0.storage {
            Storage::Disk => format!("{base}/api/files/{name}"),
            Storage::Proxied => format!("{base}/api/s3/waha/{name}"),
            Storage::Presigned => format!(
                "{base}/waha/{name}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=604800\
                 &X-Amz-Signature=00"
            ),
        }
    }

    pub(crate) fn is_in_bucket(&self) -> bool {
        self.0.storage != Storage::Disk
    }

    pub(crate) fn file(&self) -> &File {
        &self.0.file
    }

    /// The hash of the bytes, in base64.
    pub(crate) fn sha256(&self) -> String {
        self.0.sha256.get_or_init(|| BASE64_STANDARD.encode(self.0.file.sha256())).clone()
    }
}

/// What a file is, as its first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Jpeg,
    Png,
    Webp,
    Ogg,
    Mp4,
    Pdf,
    Unknown,
}

impl Kind {
    fn of(mimetype: &str) -> Self {
        match mimetype.split(';').next().unwrap_or_default() {
            "image/jpeg" => Self::Jpeg,
            "image/png" => Self::Png,
            "image/webp" => Self::Webp,
            "audio/ogg" => Self::Ogg,
            "video/mp4" => Self::Mp4,
            "application/pdf" => Self::Pdf,
            _ => Self::Unknown,
        }
    }

    /// How a file of `bytes` begins.
    fn head(self, bytes: u64) -> Vec<u8> {
        match self {
            Self::Jpeg => b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec(),
            Self::Png => {
                b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\x02\0\0\0\x90\x91\x68\x36".to_vec()
            }
            Self::Webp => riff(bytes),
            Self::Ogg => b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x95\x8d\x6b\xca\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0".to_vec(),
            Self::Mp4 => b"\0\0\0\x18ftypmp42\0\0\0\0isommp42".to_vec(),
            Self::Pdf => b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(),
            Self::Unknown => Vec::new(),
        }
    }

    /// How it ends.
    const fn tail(self) -> &'static [u8] {
        match self {
            Self::Jpeg => b"\xff\xd9",
            Self::Png => b"\0\0\0\0IEND\xae\x42\x60\x82",
            Self::Pdf => b"\n%%EOF\n",
            Self::Webp | Self::Ogg | Self::Mp4 | Self::Unknown => b"",
        }
    }
}

/// A container that says how long it is.
fn riff(bytes: u64) -> Vec<u8> {
    let length = u32::try_from(bytes.saturating_sub(8)).unwrap_or(u32::MAX);
    [b"RIFF".as_slice(), &length.to_le_bytes(), b"WEBPVP8 "].concat()
}

/// Bytes that can be read at any place.
#[derive(Clone, Debug)]
pub(crate) struct File {
    kind: Kind,
    bytes: u64,
    block: Vec<u8>,
}

impl File {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let left = self.bytes.saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(length);
        let mut read: Vec<u8> = self.filler(offset).take(length).collect();
        lay_over(&mut read, offset, 0, &self.kind.head(self.bytes));
        let tail = self.kind.tail();
        lay_over(&mut read, offset, self.bytes - tail.len() as u64, tail);
        read
    }

    fn filler(&self, offset: u64) -> impl Iterator<Item = u8> {
        let skipped = usize::try_from(offset % BLOCK as u64).unwrap_or_default();
        self.block.iter().copied().cycle().skip(skipped)
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut offset = 0;
        while offset < self.bytes {
            let part = self.read(offset, HASHED_AT_ONCE);
            offset += part.len() as u64;
            hash.update(&part);
        }
        hash.finalize().into()
    }
}

/// Puts the part of `bytes`, which stand at `at` of the file, that falls into `read`, which begins at `offset`.
fn lay_over(read: &mut [u8], offset: u64, at: u64, bytes: &[u8]) {
    for (place, byte) in (at..).zip(bytes) {
        let within = place.checked_sub(offset).and_then(|place| usize::try_from(place).ok());
        if let Some(target) = within.and_then(|place| read.get_mut(place)) {
            *target = *byte;
        }
    }
}

fn block(rng: &mut SeededRng) -> Vec<u8> {
    let words = BLOCK / size_of::<u64>();
    (0..words).flat_map(|_| rng.number().to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::Files;

    fn files() -> Files {
        Files { bytes_min: 300, bytes_max: 20_000, ..Files::at("") }
    }

    #[test]
    fn files_begin_and_end_as_their_kind() {
        for (mimetype, at, head, tail) in [
            ("image/jpeg", 0, b"\xff\xd8\xff".as_slice(), b"\xff\xd9".as_slice()),
            ("image/png", 0, b"\x89PNG\r\n\x1a\n", b"IEND\xae\x42\x60\x82"),
            ("image/webp", 8, b"WEBP", b""),
            ("audio/ogg; codecs=opus", 0, b"OggS", b""),
            ("video/mp4", 4, b"ftyp", b""),
            ("application/pdf", 0, b"%PDF-", b"%%EOF\n"),
        ] {
            let attached = files().attach(7, 3, mimetype);
            let bytes = attached.file().read(0, usize::MAX);
            assert_eq!(bytes.len() as u64, attached.file().bytes());
            assert!(bytes[at..].starts_with(head) && bytes.ends_with(tail), "{mimetype}");
        }
    }

    #[test]
    fn any_part_is_the_same_part() {
        let attached = files().attach(1, 9, "application/pdf");
        let file = attached.file();
        let whole = file.read(0, usize::MAX);
        for offset in [0, 1, 4_095, 4_096, file.bytes() - 3, file.bytes()] {
            let start = usize::try_from(offset).unwrap();
            let end = whole.len().min(start + 5_000);
            assert_eq!(file.read(offset, 5_000), whole[start..end], "from {offset}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_files_and_other_turns_others() {
        let hash = |seed, turn| files().attach(seed, turn, "image/jpeg").sha256();
        assert_eq!(hash(1, 1), hash(1, 1));
        assert_ne!(hash(1, 1), hash(1, 2));
        assert_ne!(hash(1, 1), hash(2, 1));
    }
}

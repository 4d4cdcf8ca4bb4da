//! The write-ahead log of a queue file, read without `SQLite`, which stops without a word at the first
//! frame whose checksum is wrong and forgets every transaction behind it.
//!
//! Format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>. Invariant: of an undamaged log
//! this sees what `SQLite` sees; of a damaged one it also knows every frame behind the damage. One thing
//! can't be told: where damage takes what says that the last frame of all ends a transaction, it looks
//! like a transaction that a power cut ended.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The magic number without its lowest bit, which says that checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// The log of a queue file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    page_bytes: usize,
    /// Where the content of a page is in the log, as `SQLite` sees it.
    latest: HashMap<u32, u64>,
    /// Size of the database in pages, as `SQLite` sees it.
    page_count: u32,
    /// Frames behind the first that can't be verified, if they make up a transaction: page and where.
    /// A failed write that was overwritten since can look the same, so these are only candidates.
    behind: Vec<(u32, u64)>,
}

/// A frame's header.
#[derive(Clone, Copy)]
struct FrameHeader {
    page: u32,
    /// Pages of the database if the frame ends a transaction, else 0.
    commits: u32,
    salts: [u32; 2],
    checksum: [u32; 2],
}

impl LogFile {
    /// Reads the log at `path`, with pages of `usual_page_bytes` if it does not tell; none if there is
    /// none.
    pub(super) fn open(path: &Path, usual_page_bytes: usize) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut header = [0; HEADER_BYTES];
        if file.metadata()?.len() <= HEADER_BYTES as u64
            || file.read_exact_at(&mut header, 0).is_err()
        {
            return Ok(None);
        }
        let mut log = LogReading::of(&header, usual_page_bytes).read(file)?;
        let mut header_now = [0; HEADER_BYTES];
        if log.file.read_exact_at(&mut header_now, 0).is_err() || header_now != header {
            // Another process began it anew meanwhile: what looked damaged were old frames.
            log.behind.clear();
        }
        Ok(Some(log))
    }

    /// Whether it was damaged: transactions are in it that `SQLite` would drop.
    pub(super) fn is_damaged(&self) -> bool {
        !self.behind.is_empty()
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// The highest page that it knows.
    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    /// The content of a page as `SQLite` sees it; none if it is not in the log.
    pub(super) fn page(&self, number: u32) -> Option<Vec<u8>> {
        self.content(*self.latest.get(&number)?)
    }

    /// The latest content of a page behind the damage.
    pub(super) fn page_behind(&self, number: u32) -> Option<Vec<u8>> {
        let (_, offset) = self.behind.iter().rev().find(|(page, _)| *page == number)?;
        self.content(*offset)
    }

    /// The contents behind the damage, oldest first.
    pub(super) fn behind(&self) -> impl Iterator<Item = (u32, Vec<u8>)> {
        self.behind.iter().filter_map(|(page, offset)| Some((*page, self.content(*offset)?)))
    }

    fn content(&self, offset: u64) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        self.file.read_exact_at(&mut page, offset).ok()?;
        Some(page)
    }
}

/// What is known while the frames are read.
struct LogReading {
    is_big_endian: bool,
    page_bytes: usize,
    /// None if the header is damaged.
    salts: Option<[u32; 2]>,
    /// Of everything so far.
    checksum: [u32; 2],
    /// Whether each frame so far was verified.
    is_sound: bool,
}

impl LogReading {
    /// A header that is damaged tells nothing: `SQLite` takes the log for empty then. A log with one has
    /// frames all the same.
    fn of(header: &[u8], usual_page_bytes: usize) -> Self {
        let magic = word(header, 0);
        let told = word(header, 8) as usize;
        let is_big_endian = magic & 1 == 1;
        let checksum = [word(header, 24), word(header, 28)];
        let is_sound = magic & !1 == MAGIC
            && told.is_power_of_two()
            && (512..=65536).contains(&told)
            && add_checksum([0, 0], &header[..24], is_big_endian) == checksum;
        let page_bytes = if is_sound { told } else { usual_page_bytes };
        let salts = is_sound.then(|| [word(header, 16), word(header, 20)]);
        Self { is_big_endian, page_bytes, salts, checksum, is_sound }
    }

    /// Frames of a transaction count once its last one, which says so, is there.
    fn read(mut self, file: File) -> io::Result<LogFile> {
        let frame_bytes = FRAME_HEADER_BYTES + self.page_bytes;
        let frames = (file.metadata()?.len() - HEADER_BYTES as u64) / frame_bytes as u64;
        let mut log = LogFile {
            file,
            page_bytes: self.page_bytes,
            latest: HashMap::new(),
            page_count: 0,
            behind: Vec::new(),
        };
        let mut pending = Vec::new();
        let mut frame = vec![0; frame_bytes];
        for number in 0..frames {
            let offset = HEADER_BYTES as u64 + number * frame_bytes as u64;
            let is_read = log.file.read_exact_at(&mut frame, offset).is_ok();
            let header = FrameHeader::of(&frame);
            self.is_sound &= is_read;
            if !is_read || !self.take(header, &frame) {
                continue;
            }
            pending.push((header.page, offset + FRAME_HEADER_BYTES as u64));
            if header.commits > 0 && self.is_sound {
                log.latest.extend(pending.drain(..));
                log.page_count = header.commits;
            } else if header.commits > 0 {
                log.behind.append(&mut pending);
            }
        }
        Ok(log)
    }

    /// Whether a frame belongs to this log and not to what was there before.
    fn take(&mut self, header: FrameHeader, frame: &[u8]) -> bool {
        // A damaged header does not tell the salts; then the first frame does.
        let salts = *self.salts.get_or_insert(header.salts);
        let sum = add_checksum(self.checksum, &frame[..8], self.is_big_endian);
        self.checksum = add_checksum(sum, &frame[FRAME_HEADER_BYTES..], self.is_big_endian);
        let is_ours = header.is_of(salts);
        self.is_sound &=
            header.salts == salts && header.page > 0 && self.checksum == header.checksum;
        is_ours
    }
}

impl FrameHeader {
    /// Whether it belongs to the log with these salts. Both are new when a log is begun anew, so one
    /// that is right tells of damage to the other.
    fn is_of(self, salts: [u32; 2]) -> bool {
        let shares_one =
            || self.salts.iter().zip(salts).any(|(its, salt)| *its == salt && salt != 0);
        self.salts == salts && self.page > 0 || shares_one()
    }

    fn of(frame: &[u8]) -> Self {
        Self {
            page: word(frame, 0),
            commits: word(frame, 4),
            salts: [word(frame, 8), word(frame, 12)],
            checksum: [word(frame, 16), word(frame, 20)],
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

fn add_checksum([mut first, mut second]: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    for pair in bytes.chunks_exact(8) {
        let [one, two] = [0, 4].map(|at| {
            let word = word(pair, at);
            if is_big_endian { word } else { word.swap_bytes() }
        });
        first = first.wrapping_add(one).wrapping_add(second);
        second = second.wrapping_add(two).wrapping_add(first);
    }
    [first, second]
}

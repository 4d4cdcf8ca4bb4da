//! The file in which a door counts what the broker took, beside its spool file: `spool.db.count`.
//!
//! Written by `late_file`, read by `door_counts`. It has its full size from the start and is only
//! overwritten, so a full disk stops no count (but on file systems that never overwrite, as btrfs and ZFS).
//! Invariant: of its two slots one is whole and durable at any instant, because a write goes to the other one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::gap::CountGap;
use super::record::CountRecord;

/// Size of a slot, in bytes: one page, which a kill can't write in part.
const SLOT_BYTES: usize = 4096;

/// The count file of the spool file at `path`.
pub(super) fn path_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".count");
    name.into()
}

/// Opened for counting.
pub(super) struct CountFile {
    path: PathBuf,
    file: File,
    record: CountRecord,
    /// Which slot holds what a power cut must leave.
    durable_slot: usize,
}

impl CountFile {
    /// Opens the file, or makes it as `first` says.
    pub(super) fn open(path: &Path, first: impl FnOnce() -> CountRecord) -> io::Result<Self> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => {
                let (record, durable_slot) = read_slots(&file)?.unwrap_or_else(|| {
                    // It was never finished, or is damaged: nobody knows what it had.
                    let unknown = CountGap::default();
                    (CountRecord { gaps: vec![unknown], ..first() }, 0)
                });
                Ok(Self { path: path.to_owned(), file, record, durable_slot })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path, first()),
            Err(error) => Err(error),
        }
    }

    /// Under another name until it has its size: a disk that is full in between leaves nothing.
    fn create(path: &Path, record: CountRecord) -> io::Result<Self> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
        let slot = encode(&record);
        file.write_all_at(&slot, 0)?;
        file.write_all_at(&slot, SLOT_BYTES as u64)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), file, record, durable_slot: 0 })
    }

    /// Whether the path leads to it; if not, it was removed while it was open.
    fn is_there(&self) -> io::Result<bool> {
        let open = self.file.metadata()?;
        let there = std::fs::metadata(&self.path);
        let identity = |file: &std::fs::Metadata| (file.dev(), file.ino());
        Ok(there.is_ok_and(|there| identity(&there) == identity(&open)))
    }

    /// What it says.
    #[cfg(test)]
    pub(super) fn record(&self) -> &CountRecord {
        &self.record
    }

    /// Changes it: for a process that dies at once, or durably for a power cut, too.
    pub(super) fn write(
        &mut self,
        is_durable: bool,
        change: impl FnOnce(&mut CountRecord),
    ) -> io::Result<()> {
        let mut next = self.record.clone();
        change(&mut next);
        next.sequence += 1;
        next.limit_gaps();
        if !self.is_there()? {
            *self = Self::create(&self.path, next)?;
            return Ok(());
        }
        let slot = 1 - self.durable_slot;
        self.file.write_all_at(&encode(&next), (slot * SLOT_BYTES) as u64)?;
        self.record = next;
        if is_durable {
            self.file.sync_data()?;
            self.durable_slot = slot;
        }
        Ok(())
    }
}

/// Reads the file, which a process may be writing. None if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<CountRecord>> {
    match File::open(path) {
        Ok(file) => {
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
            // A slot may be half written just now; the other one is whole.
            read_slots(&file)?.map(|(record, _)| Some(record)).ok_or_else(damaged)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newer of the two slots, and which that is.
fn read_slots(file: &File) -> io::Result<Option<(CountRecord, usize)>> {
    let mut newest: Option<(CountRecord, usize)> = None;
    for slot in 0..2 {
        let mut bytes = vec![0; SLOT_BYTES];
        match file.read_exact_at(&mut bytes, (slot * SLOT_BYTES) as u64) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        let Some(record) = decode(&bytes) else { continue };
        if newest.as_ref().is_none_or(|(known, _)| record.sequence > known.sequence) {
            newest = Some((record, slot));
        }
    }
    Ok(newest)
}

/// A line with the sum of what follows, then JSON, filled up with spaces.
fn encode(record: &CountRecord) -> Vec<u8> {
    let json = serde_json::to_string(record).expect("a record of numbers and texts is JSON");
    let mut slot = format!("{}\n{json}", sum(json.as_bytes())).into_bytes();
    debug_assert!(slot.len() <= SLOT_BYTES, "names and gaps are bounded");
    slot.resize(SLOT_BYTES, b' ');
    slot
}

fn decode(slot: &[u8]) -> Option<CountRecord> {
    let text = std::str::from_utf8(slot).ok()?.trim_end();
    let (told, json) = text.split_once('\n')?;
    (told == sum(json.as_bytes())).then(|| serde_json::from_str(json).ok()).flatten()
}

fn sum(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

#[cfg(test)]
mod tests {
    use super::super::gap::GapCause;
    use super::super::process::DoorProcess;
    use super::super::record::{GAPS_MAX, SpoolMark};
    use super::*;
    use crate::queue::sqlite::FileMark;

    fn open(path: &Path) -> CountFile {
        CountFile::open(path, || CountRecord { door: "d".into(), ..CountRecord::default() })
            .unwrap()
    }

    #[test]
    fn a_torn_write_leaves_what_was_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db.count");
        let mut file = open(&path);
        file.write(true, |record| record.accepted = 7).unwrap();
        for accepted in 8..12 {
            file.write(false, |record| record.accepted = accepted).unwrap();
        }
        assert_eq!(open(&path).record().accepted, 11);
        let torn = (1 - file.durable_slot) * SLOT_BYTES + 100;
        file.file.write_all_at(b"torn", torn as u64).unwrap();
        assert_eq!(open(&path).record().accepted, 7);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * SLOT_BYTES as u64);
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_open_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db.count");
        let mut file = open(&path);
        file.write(true, |record| record.accepted = 7).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write(false, |record| record.accepted = 8).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().accepted, 8);
    }

    #[test]
    fn a_damaged_file_says_that_nobody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db.count");
        std::fs::write(&path, vec![b'x'; 2 * SLOT_BYTES]).unwrap();
        assert!(read(&path).is_err());
        assert_eq!(open(&path).record().gaps[0].webhooks_max, None);
    }

    #[test]
    fn many_gaps_fit() {
        let gap = |n: i64| CountGap {
            from_ms: n,
            until_ms: n + 1,
            webhooks_max: Some(u64::MAX >> 9),
            cause: GapCause::Unanswered,
        };
        let mut record =
            CountRecord { gaps: (0..100).map(gap).collect(), ..CountRecord::default() };
        let process = DoorProcess {
            host: "h".repeat(255),
            pid: u32::MAX,
            version: "1.2.3".into(),
            started_ms: i64::MAX,
            seen_ms: i64::MAX,
            boot: Some("b".repeat(36)),
        };
        record.process = Some(process);
        let mark = FileMark { id: u64::MAX, generation: u64::MAX, accepted: u64::MAX };
        record.spool = Some(SpoolMark { mark, at_ms: i64::MAX });
        record.limit_gaps();
        assert_eq!((record.gaps.len(), record.gaps[0].from_ms), (GAPS_MAX, 0));
        assert_eq!(decode(&encode(&record)), Some(record));
    }
}

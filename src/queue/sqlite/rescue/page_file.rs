//! A queue file as numbered pages, read without `SQLite`, which can't read behind a damaged one.
//!
//! Used by `rescue`. Format: <https://www.sqlite.org/fileformat2.html>. Invariant: a page that is in
//! the log is taken from there, as `SQLite` does.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::log_file::LogFile;
use super::record::{Cell, children, index_cells, table_cells};

/// The first bytes of each database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The header of a database is on its first page.
const HEADER_BYTES: usize = 100;

/// Pages of a damaged queue file.
pub(super) struct PageFile {
    file: File,
    log: Option<LogFile>,
    page_bytes: usize,
    page_count: u32,
}

/// What a page holds that interests us.
pub(super) enum PageContent {
    /// Rows of a table: number and record.
    Rows(Vec<(i64, Cell)>),
    /// Entries of an index, or rows of a table without row numbers.
    Entries(Vec<Cell>),
    /// Nothing that can be read: damaged, or part of a long record.
    Other,
}

/// Bytes of a page, as the header of the file at `path` tells them; none if it can't be read.
pub(super) fn told_page_bytes(path: &Path) -> Option<usize> {
    let mut header = [0; HEADER_BYTES];
    File::open(path).ok()?.read_exact_at(&mut header, 0).ok()?;
    let told = usize::from(u16::from_be_bytes([header[16], header[17]]));
    (header.starts_with(MAGIC) && told.is_power_of_two() && told >= 512).then_some(told)
}

impl PageFile {
    /// Opens the file at `path` with its log; pages are of `usual_page_bytes` if that does not tell.
    pub(super) fn open(
        path: &Path,
        log: Option<LogFile>,
        usual_page_bytes: usize,
    ) -> io::Result<Self> {
        let file = File::open(path)?;
        let page_bytes = log.as_ref().map_or(usual_page_bytes, LogFile::page_bytes);
        let in_file = file.metadata()?.len().div_ceil(page_bytes as u64);
        let in_log = log.as_ref().map_or(0, LogFile::page_count);
        let page_count = u32::try_from(in_file).unwrap_or(u32::MAX).max(in_log);
        Ok(Self { file, log, page_bytes, page_count })
    }

    /// Numbers of the pages that may hold something: all but those that were deleted. Where the list of
    /// those is damaged, those that the trees from `roots` lead to; where both are, all.
    pub(super) fn used_pages(&self, roots: &[u32]) -> Vec<u32> {
        let all = 1..=self.page_count;
        match (self.free_pages(), self.reachable_pages(roots)) {
            (Some(free), Some(reachable)) if !free.is_disjoint(&reachable) => all.collect(),
            (Some(free), _) => all.filter(|page| !free.contains(page)).collect(),
            (None, Some(reachable)) => all.filter(|page| reachable.contains(page)).collect(),
            (None, None) => all.collect(),
        }
    }

    /// Every page of the trees; none if one can't be read, or is in two places.
    fn reachable_pages(&self, roots: &[u32]) -> Option<HashSet<u32>> {
        let mut reachable = HashSet::new();
        let mut next = roots.to_vec();
        while let Some(number) = next.pop() {
            let page = self.page(number).filter(|_| reachable.insert(number))?;
            next.extend(children(&page)?);
        }
        Some(reachable)
    }

    /// What a page holds.
    pub(super) fn content(&self, number: u32) -> PageContent {
        self.page(number).map_or(PageContent::Other, |page| self.parse(number, &page, false))
    }

    /// What the log has behind its damage: newer than all else, and not sure to be so.
    pub(super) fn contents_behind(&self) -> impl Iterator<Item = PageContent> {
        let behind = self.log.iter().flat_map(LogFile::behind);
        behind.map(|(number, page)| self.parse(number, &page, true))
    }

    fn parse(&self, number: u32, page: &[u8], is_behind: bool) -> PageContent {
        let header = if number == 1 { HEADER_BYTES } else { 0 };
        let overflow = |next| self.overflow_page(next, is_behind);
        match page.get(header) {
            Some(0x0d) => PageContent::Rows(table_cells(page, header, &overflow)),
            Some(0x0a) => PageContent::Entries(index_cells(page, header, 8, 0, &overflow)),
            Some(0x02) => PageContent::Entries(index_cells(page, header, 12, 4, &overflow)),
            _ => PageContent::Other,
        }
    }

    /// The rest of a long record: the number of the page that goes on, and this page's part.
    fn overflow_page(&self, number: u32, is_behind: bool) -> Option<(u32, Vec<u8>)> {
        let log = self.log.as_ref().filter(|_| is_behind);
        let behind = log.and_then(|log| log.page_behind(number));
        let mut page = behind.or_else(|| self.page(number))?;
        let next = word(&page, 0);
        Some((next, page.split_off(4)))
    }

    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let logged = self.log.as_ref().and_then(|log| log.page(number));
        logged.or_else(|| self.page_in_file(number))
    }

    fn page_in_file(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        let offset = u64::from(number.checked_sub(1)?) * self.page_bytes as u64;
        self.file.read_exact_at(&mut page, offset).ok()?;
        Some(page)
    }

    /// What was deleted and is not used again yet: a list of pages that each list more. None if it
    /// can't be followed to its end.
    fn free_pages(&self) -> Option<HashSet<u32>> {
        let first = self.page(1).filter(|page| page.starts_with(MAGIC))?;
        let (mut trunk, count) = (word(&first, 32), word(&first, 36));
        let mut free = HashSet::new();
        while trunk != 0 {
            let page = self.page(trunk).filter(|_| trunk <= self.page_count)?;
            let leaves = word(&page, 4) as usize;
            if !free.insert(trunk) || leaves > page.len() / 4 - 2 {
                return None;
            }
            free.extend((0..leaves).map(|at| word(&page, 8 + 4 * at)));
            trunk = word(&page, 0);
        }
        (free.len() == count as usize).then_some(free)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

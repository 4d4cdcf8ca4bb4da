//! Which queue file it is, and how far it has come: tells its successor from a copy of before and from a
//! strange file. And what a file says of one that was lost.
//!
//! Used by `writer` and `restore`, and by the spool, whose count file remembers the mark.

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::file_counts::counter;
use super::statements::set;

/// What tells a queue file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// A random number; a file that was made from what is in another one has that one's.
    pub id: u64,
    /// How often it was made anew in that way.
    pub generation: u64,
    /// Webhooks that it has counted.
    pub accepted: u64,
}

impl FileMark {
    /// Of a file with tables; none if an earlier release made it.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        let id = counter(db, "file_id")?;
        let (generation, accepted) = (counter(db, "generation")?, counter(db, "accepted")?);
        Ok((id > 0).then_some(Self { id, generation, accepted }))
    }

    /// Whether what `before` was of is in this file: nothing is known to be lost.
    pub fn continues(&self, before: &Self) -> bool {
        self.id == before.id
            && (self.generation > before.generation || self.accepted >= before.accepted)
    }

    /// Whether it was made from the file that `before` was of, or from its successors.
    pub(super) fn succeeds(&self, before: &Self) -> bool {
        self.id == before.id && self.generation > before.generation
    }
}

/// Notes that something may have been lost with a former file, from when to when.
pub(super) fn note_unsure(db: &Connection, from_ms: i64, until_ms: i64) -> rusqlite::Result<()> {
    let from_ms = unsure(db)?.map_or(from_ms, |(noted_ms, _)| noted_ms.min(from_ms));
    set(db, "unsure_from_ms", from_ms)?;
    set(db, "unsure_until_ms", until_ms)
}

/// What was noted.
pub(super) fn unsure(db: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    let ms = |name| -> rusqlite::Result<Option<i64>> {
        db.prepare_cached("SELECT value FROM counters WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()
    };
    Ok(ms("unsure_from_ms")?.zip(ms("unsure_until_ms")?))
}

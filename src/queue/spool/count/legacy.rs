//! The counters in the spool file itself: what releases before the count file wrote there, and small
//! facts of `age`.
//!
//! Used by `counter` when it makes a count file, and by `age`.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::gap::{CountGap, GapCause};
use super::record::CountRecord;
use crate::queue::sqlite::connect;

/// The first record of a count file: what an earlier release left uncounted in the spool file is a gap.
pub(super) fn record(spool: &Path, now_ms: i64) -> CountRecord {
    let uncounted = if spool.exists() { uncounted(spool).unwrap_or_default() } else { 0 };
    let from_ms = 0;
    let webhooks_max = Some(uncounted);
    let cause = GapCause::Kill;
    let gap = CountGap { from_ms, until_ms: now_ms, webhooks_max, cause };
    let gaps = if uncounted > 0 { vec![gap] } else { Vec::new() };
    CountRecord { door: random_name(), gaps, ..CountRecord::default() }
}

/// A file of this release has none of these counters.
pub(super) fn uncounted(spool: &Path) -> Option<u64> {
    let file = connect(spool).ok()?;
    let mut uncounted = get(&file, "uncertain").ok()?;
    if get(&file, "door_open").ok()? != 0 {
        uncounted += (2 * get(&file, "door_recent").ok()?).max(16);
    }
    Some(uncounted)
}

pub(in crate::queue::spool) fn get(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = db
        .query_row("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or_default().unsigned_abs())
}

pub(in crate::queue::spool) fn set(
    db: &Connection,
    name: &str,
    value: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO counters VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, (name, value)).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "names must differ between doors")]
fn random_name() -> String {
    use rand::Rng;
    let mut name = [0; 16];
    rand::rng().fill_bytes(&mut name);
    hex::encode(name)
}

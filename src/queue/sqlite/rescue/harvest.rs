//! Brings every row that can be read from the pages of a damaged file into a fresh one, and says what
//! could not be read.
//!
//! Called by `rescue`. Invariant: a webhook comes over only if its checksum is right; one that may have
//! ended already comes over as handed out, so that its receipt decides, and never as new.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::page_file::PageContent;
use super::record::Cell;
use super::row::{DeliveryRow, IndexEntry, StoredRow, WebhookRow};
use crate::queue::Tag;
use crate::queue::sqlite::damaged_row::DamagedRow;
use crate::queue::sqlite::lease::LeasedRow;
use crate::webhook::EventType;

/// Rows that came over, and traces of those that did not.
pub(super) struct Harvest<'a> {
    db: &'a Connection,
    /// Highest value by name.
    counters: BTreeMap<String, i64>,
    /// Webhooks that can't be read back whole, by number.
    damaged: BTreeMap<i64, DamagedRow>,
    now_ms: i64,
}

/// Numbers that an index knows; kept in the fresh file while it is filled, not in memory.
const TRACES: &str =
    "CREATE TEMP TABLE traces (seq INTEGER PRIMARY KEY, lane TEXT NOT NULL) STRICT";

/// Whole webhooks that were found, whatever their numbers; kept as the traces are.
const SEEN: &str = "CREATE TEMP TABLE seen (receipt INTEGER, checksum INTEGER, PRIMARY KEY (receipt, checksum)) STRICT, WITHOUT ROWID";

impl<'a> Harvest<'a> {
    /// Into a fresh queue file.
    pub(super) fn new(db: &'a Connection, now_ms: i64) -> rusqlite::Result<Self> {
        db.execute_batch(&format!("{TRACES}; {SEEN}"))?;
        Ok(Self { db, counters: BTreeMap::new(), damaged: BTreeMap::new(), now_ms })
    }

    /// Takes what a page holds.
    pub(super) fn take(&mut self, content: PageContent) -> rusqlite::Result<()> {
        match content {
            PageContent::Rows(rows) => {
                for (seq, cell) in rows {
                    self.take_row(seq, cell)?;
                }
            }
            PageContent::Entries(entries) => {
                for cell in entries {
                    self.take_entry(&cell)?;
                }
            }
            PageContent::Other => {}
        }
        Ok(())
    }

    fn take_row(&mut self, seq: i64, cell: Cell) -> rusqlite::Result<()> {
        match StoredRow::of(seq, cell) {
            Some(StoredRow::Webhook(row)) => self.take_webhook(seq, &row),
            Some(StoredRow::Delivery(row)) => row.insert(self.db, seq),
            None => Ok(()),
        }
    }

    fn take_webhook(&mut self, seq: i64, row: &WebhookRow) -> rusqlite::Result<()> {
        match row.problem() {
            None => self.take_whole(seq, row),
            Some(problem) => {
                let row = row.damaged(seq, problem, self.now_ms);
                self.damaged.insert(seq, row);
                Ok(())
            }
        }
    }

    /// No checksum is over the number of a row: a damaged one may be another webhook's, which must not be lost for it.
    fn take_whole(&self, seq: i64, row: &WebhookRow) -> rusqlite::Result<()> {
        let (receipt, checksum) = row.identity();
        let sql = "INSERT OR IGNORE INTO seen VALUES (?1, ?2)";
        if self.db.prepare_cached(sql)?.execute(params![receipt, checksum])? == 0 {
            return Ok(());
        }
        if row.insert(self.db, seq)? {
            return Ok(());
        }
        let free = self.number("SELECT max(seq) + 1 FROM webhooks")?;
        row.insert(self.db, free)?;
        // So that it is not taken for one that was ended.
        let sql = "INSERT OR IGNORE INTO traces VALUES (?1, ?2)";
        self.db.prepare_cached(sql)?.execute(params![free, row.lane().name()])?;
        Ok(())
    }

    fn take_entry(&mut self, cell: &Cell) -> rusqlite::Result<()> {
        match IndexEntry::of(cell) {
            Some(IndexEntry::Counter { name, value }) => {
                let known = self.counters.entry(name).or_insert(value);
                *known = value.max(*known);
            }
            Some(IndexEntry::Trace { seq, lane }) => {
                self.db
                    .prepare_cached("INSERT OR IGNORE INTO traces VALUES (?1, ?2)")?
                    .execute(params![seq, lane])?;
            }
            None => {}
        }
        Ok(())
    }

    /// Makes the fresh file whole: each webhook has its delivery, what is `in_hand` stays there, and the
    /// counters go on. Gives what did not come over.
    pub(super) fn finish(
        mut self,
        in_hand: &[(Tag, LeasedRow)],
        until_ms: i64,
    ) -> rusqlite::Result<Gleanings> {
        self.forget_ended()?;
        self.deliver_all()?;
        self.keep_in_hand(in_hand, until_ms)?;
        let in_hand: Vec<i64> = in_hand.iter().map(|(_, hand)| hand.seq).collect();
        let mut rows = self.damaged_rows(&in_hand)?;
        rows.extend(self.rows_without_body(&in_hand)?);
        rows.extend(self.rows_without_trace(&rows)?);
        self.db.execute_batch("DROP TABLE traces; DROP TABLE seen")?;
        let carried: i64 = self.number("SELECT count(*) FROM deliveries")?;
        let is_count_known = self.counters.contains_key("held");
        let (set_aside, missing) = self.gone(carried, &rows);
        self.count(carried, set_aside, missing)?;
        Ok(Gleanings { carried, rows, set_aside, missing, is_count_known })
    }

    /// How many accepted webhooks were set aside, and how many more are gone. A damaged number looks like
    /// one more webhook, so what counts is how many were held.
    fn gone(&self, carried: i64, rows: &[DamagedRow]) -> (i64, i64) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let replays = whole(rows.iter().filter(|row| !row.is_accepted()).count());
        let set_aside =
            whole(rows.iter().filter(|row| row.is_accepted() && row.is_identified()).count());
        let known = whole(rows.len()) - replays;
        let gone = self.counters.get("held").map_or(known, |held| held - carried - replays);
        let set_aside = set_aside.min(gone).max(0);
        (set_aside, (gone - set_aside).max(0))
    }

    /// A damaged page can show webhooks that were ended. Where table and indexes know as many as were
    /// held, one that none of them knows was ended; else it stays, and its receipt decides.
    fn forget_ended(&self) -> rusqlite::Result<()> {
        let known = self.number(
            "SELECT count(*) FROM (SELECT seq FROM deliveries UNION SELECT seq FROM traces)",
        )?;
        if self.counters.get("held").is_some_and(|held| known >= *held) {
            self.db.execute_batch(
                "DELETE FROM webhooks WHERE seq NOT IN (SELECT seq FROM deliveries)
                     AND seq NOT IN (SELECT seq FROM traces)",
            )?;
        }
        Ok(())
    }

    /// Webhooks whose delivery can't be read begin anew.
    fn deliver_all(&self) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare(
            "SELECT seq, event_type, replay, received_at_ms FROM webhooks
             WHERE seq NOT IN (SELECT seq FROM deliveries)",
        )?;
        let without: Vec<(i64, DeliveryRow)> = statement
            .query_map([], |row| {
                let event_type: String = row.get(1)?;
                let lane = EventType::parse(&event_type).lane();
                Ok((row.get(0)?, DeliveryRow::anew(lane, row.get(2)?, row.get(3)?)))
            })?
            .collect::<rusqlite::Result<_>>()?;
        without.into_iter().try_for_each(|(seq, row)| row.insert(self.db, seq))
    }

    /// What this process has in hand can be ended, also if its row or its body was lost.
    fn keep_in_hand(&self, in_hand: &[(Tag, LeasedRow)], until_ms: i64) -> rusqlite::Result<()> {
        for (tag, hand) in in_hand {
            self.db.prepare_cached(
                "INSERT INTO deliveries (seq, lane, due_at_ms, wait_ms, lease, handed_out, replay, received_at_ms)
                 VALUES (?1, ?2, ?3, ?3 - ?5, ?4, 1, 0, ?5)
                 ON CONFLICT (seq) DO UPDATE SET due_at_ms = ?3, wait_ms = ?3 - ?5, lease = ?4, handed_out = 1",
            )?
            .execute(params![hand.seq, hand.lane.name(), until_ms, tag.cast_signed(), self.now_ms])?;
        }
        Ok(())
    }

    fn damaged_rows(&mut self, in_hand: &[i64]) -> rusqlite::Result<Vec<DamagedRow>> {
        let mut rows = Vec::new();
        for (seq, row) in std::mem::take(&mut self.damaged) {
            let is_whole_elsewhere: bool = self
                .db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM webhooks WHERE seq = ?1)")?
                .query_row([seq], |row| row.get(0))?;
            if !is_whole_elsewhere && !in_hand.contains(&seq) {
                self.db.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([seq])?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn rows_without_body(&self, in_hand: &[i64]) -> rusqlite::Result<Vec<DamagedRow>> {
        let mut statement = self.db.prepare(
            "SELECT seq, lane, replay, received_at_ms FROM deliveries
             WHERE seq NOT IN (SELECT seq FROM webhooks)",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(DamagedRow {
                set_aside_at_ms: self.now_ms,
                problem: "its page can't be read".to_owned(),
                seq: row.get(0)?,
                lane: row.get(1)?,
                replay: row.get(2)?,
                received_at_ms: row.get(3)?,
                webhook: None,
            })
        })?;
        let mut rows: Vec<DamagedRow> = rows.collect::<rusqlite::Result<_>>()?;
        rows.retain(|row| !in_hand.contains(&row.seq));
        for row in &rows {
            self.db.execute("DELETE FROM deliveries WHERE seq = ?1", [row.seq])?;
        }
        Ok(rows)
    }

    /// Those that only an index still knows.
    fn rows_without_trace(&self, known: &[DamagedRow]) -> rusqlite::Result<Vec<DamagedRow>> {
        let mut statement = self.db.prepare(
            "SELECT seq, lane FROM traces WHERE seq NOT IN (SELECT seq FROM deliveries)",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(DamagedRow {
                set_aside_at_ms: self.now_ms,
                problem: "its pages can't be read".to_owned(),
                seq: row.get(0)?,
                lane: row.get(1)?,
                ..DamagedRow::default()
            })
        })?;
        let mut rows: Vec<DamagedRow> = rows.collect::<rusqlite::Result<_>>()?;
        rows.retain(|row| !known.iter().any(|known| known.seq == row.seq));
        Ok(rows)
    }

    fn count(&mut self, carried: i64, set_aside: i64, missing: i64) -> rusqlite::Result<()> {
        *self.counters.entry("set_aside".to_owned()).or_default() += set_aside;
        *self.counters.entry("missing".to_owned()).or_default() += missing;
        self.counters.insert("held".to_owned(), carried);
        *self.counters.entry("generation".to_owned()).or_default() += 1;
        if !self.counters.contains_key("accepted") {
            let known = self.number("SELECT count(*) FROM deliveries WHERE replay = 0")?;
            self.counters.insert("accepted".to_owned(), known + set_aside + missing);
        }
        for (name, value) in &self.counters {
            self.db.execute(
                "INSERT INTO counters VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                params![name, value],
            )?;
        }
        Ok(())
    }

    fn number(&self, sql: &str) -> rusqlite::Result<i64> {
        self.db.query_row(sql, [], |row| row.get(0))
    }
}

/// What a harvest left over.
pub(super) struct Gleanings {
    /// Webhooks in the fresh file.
    pub(super) carried: i64,
    /// Those that did not come over, as far as they are known.
    pub(super) rows: Vec<DamagedRow>,
    /// Accepted ones among them that are gone, in the file of what was set aside.
    pub(super) set_aside: i64,
    /// How many accepted ones may be gone beside those.
    pub(super) missing: i64,
    /// Whether it is known how many there were.
    pub(super) is_count_known: bool,
}

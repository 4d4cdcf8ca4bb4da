//! Rows as a person reads them: what is null and the row's own id are left out, and what can't be known
//! before has a word.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::Value;

use super::table::{Row, Table, is_null};
use crate::app::NOW_MS;

/// Bits of a version below its time; see `src/change/version.rs`.
const HASH_BITS: u32 = 20;
/// The first of 2009: no told version is of a time before it.
const TOLD_MIN: i64 = 1_230_768_000_000 << HASH_BITS;
/// By how many bits a version is lowered, and what that says.
const LOWERED: [(u32, &str); 7] = [
    (0, ""),
    (3, ", retold"),
    (5, ", poorer"),
    (8, ", retold, poorer"),
    (10, ", poorer, poorer"),
    (15, ", placeholder"),
    (20, ", placeholder, poorer"),
];

/// How values are shown.
pub struct Shown<'a> {
    /// The fixtures' bodies by source.
    pub bodies: &'a BTreeMap<String, Vec<u8>>,
    /// When the rows were written, by the machine's clock.
    pub written: RangeInclusive<DateTime<Utc>>,
}

impl Shown<'_> {
    /// A line for each column that is not null.
    pub fn row(&self, tables: &[Table], table: &Table, row: &Row) -> String {
        let mut lines = Vec::new();
        for (column, value) in table.fields(row).filter(|(column, _)| *column != "id") {
            if is_null(value) {
                continue;
            }
            let shown = table
                .reference(tables, column, value)
                .or_else(|| version(column, value))
                .unwrap_or_else(|| self.value(value));
            lines.push(format!("{column}: {shown}"));
        }
        format!("- {}\n", lines.join("\n  "))
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Bool(Some(flag)) => flag.to_string(),
            Value::SmallInt(Some(number)) => number.to_string(),
            Value::Int(Some(number)) => number.to_string(),
            Value::BigInt(Some(number)) => number.to_string(),
            Value::String(Some(text)) => serde_json::to_string(text).unwrap(),
            Value::Bytes(Some(bytes)) => self.bytes(bytes),
            Value::ChronoDateTimeUtc(Some(time)) => self.time(*time),
            other => panic!("no column had such a value until now: {other:?}"),
        }
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        let fixture = self.bodies.iter().find(|(_, body)| *body == bytes);
        fixture.map_or_else(
            || format!("{:?}", String::from_utf8_lossy(bytes)),
            |(name, _)| format!("(all of {name})"),
        )
    }

    fn time(&self, time: DateTime<Utc>) -> String {
        if self.written.contains(&time) {
            return "(when it was stored)".to_owned();
        }
        // A transaction's time differs from that of the one before within the millisecond.
        let is_now = time.timestamp_millis() == NOW_MS;
        moment(if is_now { time.trunc_subsecs(3) } else { time })
    }
}

/// A version's time and tie-breaker.
fn version(column: &str, value: &Value) -> Option<String> {
    let Value::BigInt(Some(number)) = *value else { return None };
    let (bits, lowered) = LOWERED.into_iter().find(|(bits, _)| number >= TOLD_MIN >> bits)?;
    let told = number << bits;
    let time = DateTime::from_timestamp_millis(told >> HASH_BITS)?;
    let hash = told & ((1 << HASH_BITS) - 1);
    column.ends_with("version").then(|| format!("{} #{hash:05x}{lowered}", moment(time)))
}

fn moment(time: DateTime<Utc>) -> String {
    time.format("%F %T%.f").to_string()
}

//! The state of the database's tables, in `check`: sizes, vacuum, indexes, its clock, its standbys.

use std::time::Duration;

use super::line::{CheckLine, Verdict};
use crate::cli::time;
use crate::figures::{grouped, span};
use crate::store::operations::health::{
    ClockDifference, DatabaseHealth, GrowthHealth, IdleSlot, IndexHealth, IndexRow, ServerHealth,
    StandbyHealth, TableHealth,
};
use crate::store::operations::repair::RepairFinding;
use crate::store::{Store, StoreError};

/// Tables that are named.
const NAMED: usize = 4;
/// With fewer dead rows nobody notices.
const DEAD_MIN: i64 = 100_000;
/// Times of writing are the database's, all others are ours: this far apart they are taken for wrong.
const AHEAD_MAX_MS: i64 = 5_000;
/// Before that nobody orders a disk.
const DAYS_MIN: u64 = 7;
/// What a replication slot may keep for a standby that is away.
const SLOT_BYTES_MAX: i64 = 1 << 30;
/// A standby that is so far behind is of no use.
const BEHIND_MAX: Duration = Duration::from_mins(1);

/// Lines where the database says something; one that can't be asked has a line of its own.
pub(super) async fn check(store: &Store) -> Vec<CheckLine> {
    let unknown = |error: &StoreError| {
        let text = format!("their state can't be read: {}", error.detail());
        vec![CheckLine::new(Verdict::Unknown, "tables", text)]
    };
    let packet = store.message_bytes_max();
    let health = store.health().await;
    let health = health.map_or_else(|error| unknown(&error), |health| lines(&health, packet));
    let pointers = store.pointer_findings().await;
    let pointers = pointers.map_or_else(|error| unknown(&error), |found| broken_pointers(&found));
    health.into_iter().chain(pointers).collect()
}

/// `packet`: `max_allowed_packet`, bytes.
fn lines(health: &DatabaseHealth, packet: Option<usize>) -> Vec<CheckLine> {
    let DatabaseHealth {
        tables,
        growth,
        broken_indexes,
        indexes,
        server,
        idle_slots,
        standbys,
        clock,
    } = health;
    let server = server.as_ref().map(|server| server_line(server, packet));
    let sizes = (!tables.is_empty()).then(|| CheckLine::of("tables", Ok(sizes(tables))));
    let vacuum = tables.iter().filter(|table| is_neglected(table)).map(neglected);
    let broken = broken_indexes.iter().map(|index| broken(index));
    let standbys = standbys.iter().filter_map(standby);
    let slots = idle_slots.iter().filter(|slot| slot.kept_bytes > SLOT_BYTES_MAX).map(idle);
    let clock = clock.and_then(clock_line);
    let of_tables = sizes.into_iter().chain(growth_line(*growth)).chain(vacuum).chain(broken);
    let of_tables = server.into_iter().chain(of_tables).chain(index_lines(indexes));
    of_tables.chain(standbys).chain(slots).chain(clock).collect()
}

fn server_line(server: &ServerHealth, packet: Option<usize>) -> CheckLine {
    let tls = server.tls.as_ref().map_or_else(
        || "not encrypted (sslmode or ssl-mode in database.url asks for it)".to_owned(),
        |tls| format!("encrypted by {tls}"),
    );
    let packet = packet.map(|bytes| format!(", max_allowed_packet {} MiB", bytes >> 20));
    let zone = server.time_zone.as_ref().map(|zone| {
        let told = "applications that let the server write times must set time_zone = '+00:00' in their sessions, \
                    as this process does";
        if server.is_elsewhere() { format!(", time zone {zone}: {told}") } else { format!(", time zone {zone}") }
    });
    let [packet, zone] = [packet, zone].map(Option::unwrap_or_default);
    CheckLine::of(
        "database",
        Ok(format!("version {}, connection {tls}{packet}{zone}", server.version)),
    )
}

/// Only where somebody can know something.
fn growth_line(growth: GrowthHealth) -> Option<CheckLine> {
    let per_day = growth.bytes_per_day?;
    let whole = format!(
        "{}, about {} more a day, by the last week",
        mebibytes(growth.bytes),
        mebibytes(per_day)
    );
    let Some(free) = growth.free_bytes else { return Some(CheckLine::of("growth", Ok(whole))) };
    let free = format!("{} MiB free on the disk", free >> 20);
    Some(match growth.days_left() {
        Some(days) if days < DAYS_MIN => {
            let text = format!(
                "{whole}; {free}: full in {days} days: make room, or let go of what is old ([retention])"
            );
            CheckLine::new(Verdict::Failed, "growth", text)
        }
        Some(days) => {
            let days = grouped(days);
            CheckLine::of("growth", Ok(format!("{whole}; {free}: full in {days} days")))
        }
        None => CheckLine::of("growth", Ok(format!("{whole}; {free}"))),
    })
}

fn index_lines(indexes: &IndexHealth) -> impl Iterator<Item = CheckLine> {
    let IndexHealth { missing, foreign, unused } = indexes;
    let missing = missing.iter().map(|index| {
        let text = format!(
            "{} lacks the index {}, so queries read the whole table: {}",
            index.table, index.name, index.sql
        );
        CheckLine::new(Verdict::Failed, "indexes", text)
    });
    let named = |(list, what): (&Vec<IndexRow>, &str)| {
        let names: Vec<String> = list.iter().map(index_words).collect();
        (!names.is_empty())
            .then(|| CheckLine::of("indexes", Ok(format!("{what}: {}", names.join(", ")))))
    };
    let lists = [
        (foreign, "not of our migrations, and written with each row"),
        (unused, "not used for a month, and written with each row"),
    ];
    missing.chain(lists.into_iter().filter_map(named))
}

fn index_words(index: &IndexRow) -> String {
    let size = index.bytes.map(|bytes| format!(", {}", mebibytes(bytes)));
    format!("{} ({}{})", index.name, index.table_name, size.unwrap_or_default())
}

fn idle(slot: &IdleSlot) -> CheckLine {
    let text = format!(
        "nobody reads the replication slot {}, for which {} of log are kept: start its standby, or drop it \
         (pg_drop_replication_slot) before the disk is full",
        slot.name,
        mebibytes(slot.kept_bytes)
    );
    CheckLine::new(Verdict::Failed, "database", text)
}

/// Chats and messages that lead nowhere; what else `repair` knows would read whole tables.
fn broken_pointers(found: &[RepairFinding]) -> Vec<CheckLine> {
    let line = |it: &RepairFinding| {
        let examples: Vec<String> = it.examples.iter().map(i64::to_string).collect();
        let text = format!(
            "{} rows of {} lead in a circle, to nothing or to a row that leads on, such as {}: `waha-ingest \
             repair` shows and mends them",
            it.rows,
            it.place,
            examples.join(", ")
        );
        CheckLine::new(Verdict::Failed, "tables", text)
    };
    found.iter().map(line).collect()
}

/// The whole, and the largest.
fn sizes(tables: &[TableHealth]) -> String {
    let all: i64 = tables.iter().map(|table| table.bytes + table.index_bytes).sum();
    let largest = tables.iter().take(NAMED).map(|table| {
        let rows = grouped(table.rows_about.unsigned_abs());
        let (bytes, index_bytes) = (mebibytes(table.bytes), mebibytes(table.index_bytes));
        let growth = table.bytes_per_day.map(|bytes| format!(", {} more a day", mebibytes(bytes)));
        let growth = growth.unwrap_or_default();
        format!("{} {bytes} and {index_bytes} of indexes, about {rows} rows{growth}", table.name)
    });
    format!("{}; {}", mebibytes(all), largest.collect::<Vec<_>>().join("; "))
}

fn mebibytes(bytes: i64) -> String {
    format!("{} MiB", bytes.unsigned_abs().div_ceil(1 << 20))
}

/// More dead rows than others.
fn is_neglected(table: &TableHealth) -> bool {
    table.dead_rows.is_some_and(|dead| dead >= DEAD_MIN && dead > table.rows_about)
}

fn neglected(table: &TableHealth) -> CheckLine {
    let dead = grouped(table.dead_rows.unwrap_or_default().unsigned_abs());
    let last = table.vacuumed_at.map_or_else(|| "never".to_owned(), time::short);
    let text = format!(
        "{} has {dead} dead rows, more than others (last vacuumed: {last}): see that autovacuum is on, and that \
         no transaction, replication slot or standby keeps them (pg_stat_activity, pg_replication_slots)",
        table.name
    );
    CheckLine::new(Verdict::Failed, "tables", text)
}

fn broken(index: &str) -> CheckLine {
    let text =
        format!("the index {index} is not valid, so no query uses it: REINDEX INDEX {index}");
    CheckLine::new(Verdict::Failed, "tables", text)
}

fn standby(standby: &StandbyHealth) -> Option<CheckLine> {
    let behind_ms = standby.behind_ms?;
    let behind = Duration::from_millis(behind_ms.unsigned_abs());
    let verdict = if behind > BEHIND_MAX { Verdict::Failed } else { Verdict::Good };
    let text = format!("standby {}: {} behind", standby.name, span(behind_ms));
    Some(CheckLine::new(verdict, "database", text))
}

/// Only if it is wrong whatever the asking took.
fn clock_line(clock: ClockDifference) -> Option<CheckLine> {
    let ClockDifference { ahead_ms, asked } = clock;
    let asked_ms = i64::try_from(asked.as_millis()).unwrap_or(i64::MAX);
    if ahead_ms.abs().saturating_sub(asked_ms) <= AHEAD_MAX_MS {
        return None;
    }
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let text = format!(
        "the server's clock is {} {side} this machine's: have both set by NTP",
        span(ahead_ms.abs())
    );
    Some(CheckLine::new(Verdict::Failed, "database", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::operations::health::MissingIndex;

    fn table(rows_about: i64, dead_rows: Option<i64>) -> TableHealth {
        TableHealth {
            name: "waha_chats".to_owned(),
            rows_about,
            bytes: 3 << 20,
            index_bytes: 1 << 20,
            dead_rows,
            vacuumed_at: None,
            bytes_per_day: None,
        }
    }

    fn told(health: &DatabaseHealth) -> Vec<String> {
        lines(health, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_says_nothing_and_a_sound_server_its_sizes() {
        assert!(told(&DatabaseHealth::default()).is_empty());
        let clock = Some(ClockDifference { ahead_ms: 4_000, asked: Duration::ZERO });
        let tables = vec![table(1_200, Some(90_000)), table(200_000, Some(150_000))];
        let health = DatabaseHealth { tables, clock, ..DatabaseHealth::default() };
        let one = "waha_chats 3 MiB and 1 MiB of indexes, about";
        let expected = format!("ok      tables: 8 MiB; {one} 1 200 rows; {one} 200 000 rows");
        assert_eq!(told(&health), [expected]);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_helps() {
        let health = DatabaseHealth {
            tables: vec![table(1_200, Some(DEAD_MIN))],
            broken_indexes: vec!["idx_one".to_owned()],
            standbys: vec![StandbyHealth { name: "two".to_owned(), behind_ms: Some(61_000) }],
            clock: Some(ClockDifference { ahead_ms: -9_000, asked: Duration::from_secs(1) }),
            idle_slots: vec![IdleSlot { name: "left".to_owned(), kept_bytes: 2 << 30 }],
            ..DatabaseHealth::default()
        };
        let told = told(&health);
        let parts = [
            "autovacuum",
            "REINDEX INDEX idx_one",
            "standby two: 1 min 1 s",
            "slot left, for which 2048 MiB",
            "9 s behind",
        ];
        assert!(told[0].starts_with("ok "), "{told:?}");
        for (line, part) in told[1..].iter().zip(parts) {
            assert!(line.starts_with("FAILED ") && line.contains(part), "{line}");
        }
        assert_eq!(told.len(), 1 + parts.len());
    }

    #[test]
    fn a_disk_that_is_full_soon_is_a_fault() {
        let growth = GrowthHealth {
            bytes: 5 << 20,
            bytes_per_day: Some(1 << 20),
            free_bytes: Some(3 << 20),
        };
        let told = growth_line(growth).unwrap().to_string();
        assert!(told.starts_with("FAILED ") && told.contains("full in 3 days"), "{told}");
        let far = GrowthHealth { free_bytes: Some(3 << 30), ..growth };
        let told = growth_line(far).unwrap().to_string();
        assert!(told.ends_with("about 1 MiB more a day, by the last week; 3072 MiB free on the disk: full in 3 072 days"), "{told}");
        assert!(growth_line(GrowthHealth { bytes_per_day: None, ..growth }).is_none());
    }

    #[test]
    fn indexes_are_named_with_what_makes_them_again() {
        let row = |name: &str, bytes| IndexRow {
            table_name: "waha_chats".to_owned(),
            name: name.to_owned(),
            bytes,
            uses: None,
        };
        let missing = MissingIndex {
            table: "waha_chats".to_owned(),
            name: "idx_gone".to_owned(),
            sql: "CREATE INDEX idx_gone ON waha_chats (id)".to_owned(),
        };
        let indexes = IndexHealth {
            missing: vec![missing],
            foreign: vec![row("crm_chats", None)],
            unused: vec![row("idx_old", Some(70 << 20))],
        };
        let told: Vec<String> = index_lines(&indexes).map(|line| line.to_string()).collect();
        assert!(
            told[0].starts_with("FAILED ") && told[0].ends_with("ON waha_chats (id)"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("ok ") && told[1].ends_with("crm_chats (waha_chats)"),
            "{told:?}"
        );
        assert!(told[2].ends_with("idx_old (waha_chats, 70 MiB)"), "{told:?}");
    }

    #[test]
    fn a_server_says_how_it_is_reached() {
        let server = |tls: Option<&str>, zone: Option<&str>| ServerHealth {
            version: "15.6".to_owned(),
            tls: tls.map(str::to_owned),
            time_zone: zone.map(str::to_owned),
        };
        let told = server_line(&server(Some("TLSv1.3"), None), None).to_string();
        assert_eq!(told, "ok      database: version 15.6, connection encrypted by TLSv1.3");
        let told = server_line(&server(None, Some("CET")), Some(16 << 20)).to_string();
        for part in ["not encrypted", "max_allowed_packet 16 MiB", "time zone CET: applications"] {
            assert!(told.contains(part), "{told}");
        }
        let told = server_line(&server(None, Some("UTC")), None).to_string();
        assert!(told.ends_with("time zone UTC"), "{told}");
    }
}

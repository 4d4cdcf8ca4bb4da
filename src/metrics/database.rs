//! The database as it says: sizes, vacuum, clock, standbys; and the replica that lists are read from.
//!
//! Set by `monitor`, some seconds before they are read.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use crate::store::connect::replica::ReplicaView;
use crate::store::operations::health::TableHealth;
use crate::telemetry::family::{self, seconds};

/// No labels.
const NONE: [&str; 0] = [];

/// What is known of the database. What is not has no series.
#[derive(Clone)]
pub struct DatabaseGauges {
    table_bytes: IntGaugeVec,
    table_dead_rows: IntGaugeVec,
    table_vacuumed: GaugeVec,
    bytes: IntGaugeVec,
    clock_ahead: GaugeVec,
    standby_lag: GaugeVec,
    ledger_months_ahead: IntGaugeVec,
    replica_up: IntGaugeVec,
    replica_age: GaugeVec,
    replica_fallen_back: IntCounterVec,
}

impl DatabaseGauges {
    pub(super) fn new() -> Self {
        Self {
            table_bytes: family::gauges(
                "table_bytes",
                "Size of a table with its indexes, as the database server tells it.",
                &["table"],
            ),
            table_dead_rows: family::gauges(
                "table_dead_rows",
                "Versions of rows that nobody sees any more and vacuum has not taken away (PostgreSQL).",
                &["table"],
            ),
            table_vacuumed: family::times(
                "table_vacuumed_timestamp_seconds",
                "When they were last taken away, since 1970. No series before the first time.",
                &["table"],
            ),
            bytes: family::gauges(
                "database_bytes",
                "Size of all our tables with their indexes, or of SQLite's file.",
                &NONE,
            ),
            clock_ahead: family::times(
                "database_clock_ahead_seconds",
                "How far the database server's clock is ahead of this process's; negative if it is behind.",
                &NONE,
            ),
            standby_lag: family::times(
                "standby_lag_seconds",
                "How long the slowest standby takes to follow (PostgreSQL). No series where all have all, or where it is not told.",
                &NONE,
            ),
            ledger_months_ahead: family::gauges(
                "ledger_months_ahead",
                "For how many months after this one the ledger's tables have parts. No series where they are whole.",
                &NONE,
            ),
            replica_up: family::gauges(
                "read_replica_up",
                "1 while lists are read from the replica, 0 while they are read from the primary in its place.",
                &NONE,
            ),
            replica_age: family::times(
                "read_replica_age_seconds",
                "How old the replica is at most. No series while nobody knows.",
                &NONE,
            ),
            replica_fallen_back: family::counters(
                "read_replica_fallen_back_total",
                "Statements that the primary answered in the replica's place.",
                &NONE,
            ),
        }
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.table_bytes.clone()),
            Box::new(self.table_dead_rows.clone()),
            Box::new(self.table_vacuumed.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.clock_ahead.clone()),
            Box::new(self.standby_lag.clone()),
            Box::new(self.ledger_months_ahead.clone()),
            Box::new(self.replica_up.clone()),
            Box::new(self.replica_age.clone()),
            Box::new(self.replica_fallen_back.clone()),
        ]
    }

    /// How large the tables are.
    pub fn set_tables(&self, tables: &[TableHealth]) {
        for table in tables {
            let name = table.name.as_str();
            self.table_bytes.with_label_values(&[name]).set(table.bytes + table.index_bytes);
            if let Some(dead) = table.dead_rows {
                self.table_dead_rows.with_label_values(&[name]).set(dead);
            }
            if let Some(at) = table.vacuumed_at {
                let at = seconds(at.timestamp_millis());
                self.table_vacuumed.with_label_values(&[name]).set(at);
            }
        }
    }

    /// The database as a whole: its size, and how far its clock and its slowest standby are from where they
    /// should be, where that is told.
    pub fn set_database(&self, bytes: i64, clock_ahead_ms: Option<i64>, lag: Option<Duration>) {
        self.bytes.with_label_values(&NONE).set(bytes);
        match clock_ahead_ms {
            Some(ms) => self.clock_ahead.with_label_values(&NONE).set(seconds(ms)),
            None => self.clock_ahead.reset(),
        }
        match lag {
            Some(lag) => self.standby_lag.with_label_values(&NONE).set(lag.as_secs_f64()),
            None => self.standby_lag.reset(),
        }
    }

    /// For how many months to come the ledger has parts; none: it is whole.
    pub fn set_months_ahead(&self, months: Option<u32>) {
        match months {
            Some(months) => self.ledger_months_ahead.with_label_values(&NONE).set(months.into()),
            None => self.ledger_months_ahead.reset(),
        }
    }

    /// The replica, where there is one.
    pub fn set_replica(&self, replica: &ReplicaView) {
        self.replica_up.with_label_values(&NONE).set(i64::from(replica.is_used));
        let fallen_back = self.replica_fallen_back.with_label_values(&NONE);
        fallen_back.inc_by(replica.fallen_back.saturating_sub(fallen_back.get()));
        match replica.age_ms {
            Some(ms) => self
                .replica_age
                .with_label_values(&NONE)
                .set(Duration::from_millis(ms).as_secs_f64()),
            None => self.replica_age.reset(),
        }
    }
}

//! What the observer sees: depth and age of the lanes, sizes of files, dead letters, sessions.
//!
//! Set by `monitor`, shortly before they are read.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounter, IntGauge, IntGaugeVec};

use super::database::DatabaseGauges;
use super::{OTHER, Scope};
use crate::queue::{Depth, FileDepth, Lane};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::registrations::RegistrationState;
use crate::store::operations::watches::WatchVerdict;
use crate::telemetry::family::{self, seconds};

/// The statuses that WAHA gives to sessions.
pub const SESSION_STATUSES: [&str; 6] =
    ["STOPPED", "STARTING", "SCAN_QR_CODE", "WORKING", "FAILED", "PASSKEY_REQUIRED"];

/// Of a session that told none yet.
const NO_STATUS: &str = "unknown";

/// What the observer sees.
#[derive(Clone)]
pub struct Gauges {
    queue_webhooks: IntGaugeVec,
    oldest_age: GaugeVec,
    retries_late: GaugeVec,
    queue_bytes: IntGauge,
    queue_bytes_max: IntGauge,
    set_aside: IntGauge,
    missing: IntGauge,
    disk_free: IntGaugeVec,
    disk_size: IntGaugeVec,
    spool_webhooks: IntGauge,
    spool_bytes: IntGauge,
    spool_bytes_max: IntGauge,
    spooled: IntCounter,
    dead_letters: IntGaugeVec,
    sessions: IntGaugeVec,
    silent_sessions: IntGauge,
    registrations: IntGaugeVec,
    troubled: IntGaugeVec,
    search_lag: IntGauge,
    moving_chats: IntGauge,
    /// The database as it says.
    pub database: DatabaseGauges,
}

/// Saturates, at more than there will ever be.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn registrations() -> IntGaugeVec {
    let help = "Sessions of WAHA by how our webhook stands in their configuration.";
    family::gauges("webhook_registrations", help, &["state"])
}

fn troubled() -> IntGaugeVec {
    let help = "Sessions that the watchdog warns of, by what is wrong.";
    family::gauges("troubled_sessions", help, &["verdict"])
}

impl Gauges {
    pub(super) fn new() -> Self {
        let gauge = family::gauge;
        Self {
            queue_webhooks: family::gauges(
                "queue_webhooks",
                "Webhooks that wait, spooled ones included: ready or in hand, or for their next attempt.",
                &["lane", "state"],
            ),
            oldest_age: family::times(
                "oldest_waiting_age_seconds",
                "Since when the oldest ready webhook of a lane waits, by its arrival at the door; 0 when none waits. No series where this process can't know it.",
                &["lane"],
            ),
            retries_late: family::times(
                "retries_late_seconds",
                "For how long nothing has left the retry queues of a lane beyond their longest wait; 0 while all go in time.",
                &["lane"],
            ),
            queue_bytes: gauge("queue_bytes", "Used size of the embedded queue."),
            queue_bytes_max: gauge("queue_bytes_max", "Size from which on the door answers 503."),
            set_aside: gauge(
                "damaged_webhooks_set_aside",
                "Accepted webhooks that damage took out of the queue file or the spool, in the file of what was set aside.",
            ),
            missing: gauge(
                "damaged_webhooks_missing",
                "Accepted webhooks that may be missing because the queue file or the spool was damaged, beside those set aside.",
            ),
            disk_free: family::gauges(
                "data_disk_free_bytes",
                "What this process may still write to the disk of its data folder. No series while the disk does not answer.",
                &[],
            ),
            disk_size: family::gauges(
                "data_disk_bytes",
                "Size of the disk of the data folder.",
                &[],
            ),
            spool_webhooks: gauge("spool_webhooks", "Webhooks in the spool."),
            spool_bytes: gauge("spool_bytes", "Used size of the spool."),
            spool_bytes_max: gauge(
                "spool_bytes_max",
                "Size of the spool from which on the door answers 503 while the broker is away.",
            ),
            spooled: family::counter("webhooks_spooled_total", "Webhooks that went to the spool."),
            dead_letters: family::gauges("dead_letters", "Dead letters by state.", &["state"]),
            sessions: family::gauges("sessions", "Sessions by WAHA's status.", &["status"]),
            silent_sessions: gauge(
                "silent_sessions",
                "Working sessions from which nothing came for longer than is usual for them.",
            ),
            registrations: registrations(),
            troubled: troubled(),
            search_lag: gauge(
                "search_lag_positions",
                "Positions of the feed that the words for the search do not have yet; 0 while it is off.",
            ),
            moving_chats: gauge(
                "moving_chats",
                "Chats that turned out to be another one and whose messages are still on their way there.",
            ),
            database: DatabaseGauges::new(),
        }
    }

    pub(super) fn families(&self, scope: Scope) -> Vec<Box<dyn Collector>> {
        let mut families: Vec<Box<dyn Collector>> =
            vec![Box::new(self.queue_webhooks.clone()), Box::new(self.oldest_age.clone())];
        if !scope.has_broker {
            families.push(Box::new(self.queue_bytes.clone()));
            families.push(Box::new(self.queue_bytes_max.clone()));
        } else if scope.serves {
            families.push(Box::new(self.spooled.clone()));
            for gauge in [&self.spool_webhooks, &self.spool_bytes, &self.spool_bytes_max] {
                families.push(Box::new(gauge.clone()));
            }
        }
        if scope.serves || !scope.has_broker {
            families.push(Box::new(self.set_aside.clone()));
            families.push(Box::new(self.missing.clone()));
            families.push(Box::new(self.disk_free.clone()));
            families.push(Box::new(self.disk_size.clone()));
        }
        if scope.works && scope.has_broker {
            families.push(Box::new(self.retries_late.clone()));
        }
        if scope.works {
            families.push(Box::new(self.dead_letters.clone()));
            families.push(Box::new(self.sessions.clone()));
            families.push(Box::new(self.silent_sessions.clone()));
            families.push(Box::new(self.registrations.clone()));
            families.push(Box::new(self.troubled.clone()));
            families.push(Box::new(self.search_lag.clone()));
            families.push(Box::new(self.moving_chats.clone()));
            families.extend(self.database.families());
        }
        families
    }

    /// The disk of the data folder, in bytes.
    pub fn set_disk(&self, free: u64, size: u64) {
        self.disk_free.with_label_values(&[] as &[&str]).set(whole(free));
        self.disk_size.with_label_values(&[] as &[&str]).set(whole(size));
    }

    /// Nobody knows now.
    pub fn forget_disk(&self) {
        self.disk_free.reset();
        self.disk_size.reset();
    }

    /// How far the words for the search are behind the feed.
    pub fn set_search_lag(&self, positions: i64) {
        self.search_lag.set(positions);
    }

    /// Chats whose messages move.
    pub fn set_moving_chats(&self, count: u64) {
        self.moving_chats.set(whole(count));
    }

    /// How our webhook stands in the sessions of WAHA.
    pub fn set_registrations(&self, counts: &[(String, i64)]) {
        for state in RegistrationState::ALL.map(RegistrationState::name) {
            let count = counts.iter().find(|(name, _)| name == state).map(|(_, count)| *count);
            self.registrations.with_label_values(&[state]).set(count.unwrap_or_default());
        }
    }

    /// How many sessions the watchdog warns of.
    pub fn set_troubled(&self, counts: &[(String, i64)]) {
        for verdict in WatchVerdict::ALL.into_iter().filter(|verdict| verdict.is_trouble()) {
            let name = verdict.name();
            let count = counts.iter().find(|(told, _)| told == name).map(|(_, count)| *count);
            self.troubled.with_label_values(&[name]).set(count.unwrap_or_default());
        }
    }

    /// What waits.
    pub fn set_depth(&self, depth: &Depth, now_ms: i64) {
        for lane in &depth.lanes {
            let name = lane.lane.name();
            let set = |state, count| {
                self.queue_webhooks.with_label_values(&[name, state]).set(whole(count));
            };
            set("ready", lane.ready);
            set("retrying", lane.retrying);
            if let Some(late) = lane.retries_late {
                self.retries_late.with_label_values(&[name]).set(late.as_secs_f64());
            }
            match lane.oldest_received_at_ms {
                Some(oldest) => {
                    let age = seconds((now_ms - oldest).max(0));
                    self.oldest_age.with_label_values(&[name]).set(age);
                }
                None if lane.ready == 0 && depth.broker_answers != Some(false) => {
                    self.oldest_age.with_label_values(&[name]).set(0.0);
                }
                None => self.forget_age(lane.lane),
            }
        }
        if let Some(file) = depth.file {
            self.set_file(file, depth.broker_answers.is_some());
        }
        self.spooled.inc_by(depth.spooled.saturating_sub(self.spooled.get()));
    }

    fn set_file(&self, file: FileDepth, is_spool: bool) {
        self.set_aside.set(whole(file.set_aside));
        self.missing.set(whole(file.missing));
        if is_spool {
            self.spool_webhooks.set(whole(file.webhooks));
            self.spool_bytes.set(whole(file.bytes));
            self.spool_bytes_max.set(whole(file.bytes_max));
        } else {
            self.queue_bytes.set(whole(file.bytes));
            self.queue_bytes_max.set(whole(file.bytes_max));
        }
    }

    fn forget_age(&self, lane: Lane) {
        // An error means that there was none.
        let _ = self.oldest_age.remove_label_values(&[lane.name()]);
    }

    /// Nobody knows what waits: an old figure would look like a new one.
    pub fn forget_depth(&self) {
        self.queue_webhooks.reset();
        self.oldest_age.reset();
        self.retries_late.reset();
    }

    /// Dead letters by state; a state that is not named has none.
    pub fn set_dead_letters(&self, counts: &[(String, u64)]) {
        for state in DeadLetterState::ALL {
            let count = counts.iter().find(|(name, _)| name == state.name());
            let count = count.map_or(0, |(_, count)| whole(*count));
            self.dead_letters.with_label_values(&[state.name()]).set(count);
        }
    }

    /// Sessions by status, and how many of them are silent.
    pub fn set_sessions(&self, counts: &[(Option<String>, u64)], silent: u64) {
        let known = |status: &Option<String>| match status.as_deref() {
            None => NO_STATUS,
            Some(status) => {
                SESSION_STATUSES.into_iter().find(|known| *known == status).unwrap_or(OTHER)
            }
        };
        for status in SESSION_STATUSES.into_iter().chain([NO_STATUS, OTHER]) {
            let these = counts.iter().filter(|(told, _)| known(told) == status);
            let count: u64 = these.map(|(_, count)| count).sum();
            self.sessions.with_label_values(&[status]).set(whole(count));
        }
        self.silent_sessions.set(whole(silent));
    }
}

//! When: what is little every hour, what takes long once a day at a set hour.
//!
//! A process that does not run at that hour leaves the day out; nothing is made up for in the middle of the day.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Timelike, Utc};
use tokio_util::sync::CancellationToken;

use super::{Age, Cleaner, Retention, RetentionError, RetentionKind};

/// How often the clock is looked at.
const PAUSE: Duration = Duration::from_mins(5);
/// How often what is little goes.
const HOUR: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// When things went last.
#[derive(Default)]
struct Schedule {
    hourly_at: Option<DateTime<Utc>>,
    daily_on: Option<NaiveDate>,
}

impl Schedule {
    /// Whether a kind is to go at `now`.
    fn is_due(&self, kind: RetentionKind, now: DateTime<Utc>, hour: u32) -> bool {
        if kind.is_daily() {
            return now.hour() == hour && self.daily_on != Some(now.date_naive());
        }
        // A clock that was set back is no reason to wait.
        self.hourly_at.is_none_or(|at| now >= at + HOUR || now < at)
    }

    fn went(&mut self, now: DateTime<Utc>, hour: u32) {
        if self.is_due(RetentionKind::Ledger, now, hour) {
            self.daily_on = Some(now.date_naive());
        }
        if self.is_due(RetentionKind::Bodies, now, hour) {
            self.hourly_at = Some(now);
        }
    }
}

/// Lets go of what is older until `stop`.
pub async fn run(cleaner: Cleaner, retention: Retention, stop: CancellationToken) {
    let mut schedule = Schedule::default();
    while !stop.is_cancelled() {
        let now = cleaner.clock.now();
        if schedule.is_due(RetentionKind::Bodies, now, retention.hour) {
            make_months(&cleaner).await;
        }
        let due = |kind: &RetentionKind| schedule.is_due(*kind, now, retention.hour);
        let kinds: Vec<RetentionKind> = RetentionKind::ALL.into_iter().filter(due).collect();
        schedule.went(now, retention.hour);
        let cleaning = clean(&cleaner, &retention, &kinds);
        if stop.run_until_cancelled(cleaning).await.is_some() {
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }
}

/// Where the ledger is divided by month, those to come have parts before they are needed.
async fn make_months(cleaner: &Cleaner) {
    match cleaner.store.ensure_months().await {
        Ok(0) => {}
        Ok(parts) => tracing::info!(parts.count = parts, "made parts for months to come"),
        // Whoever needs one tries again, and a metric says how many there are.
        Err(error) => {
            tracing::warn!(error = error.detail(), "no parts can be made for months to come");
        }
    }
}

async fn clean(cleaner: &Cleaner, retention: &Retention, kinds: &[RetentionKind]) {
    for kind in kinds {
        for age in retention.ages(*kind) {
            clean_age(cleaner, *kind, age).await;
        }
    }
}

async fn clean_age(cleaner: &Cleaner, kind: RetentionKind, age: Age) {
    let Some(age_max) = age.age_max else { return };
    // Says also of which source.
    let setting = age.setting(kind);
    match cleaner.let_go_of(kind, age.sources, age_max).await {
        Ok(0) => {}
        Ok(rows) => {
            let kind = kind.name();
            tracing::info!(
                retention.kind = kind,
                retention.setting = setting,
                rows.count = rows,
                "let go of rows"
            );
        }
        // The worker reports an outage; what is old waits for the next time.
        Err(RetentionError::Store(error)) => {
            tracing::debug!(retention.kind = kind.name(), error = error.detail(), "can't let go");
        }
        Err(error) => {
            tracing::info!(retention.kind = kind.name(), %error, "nothing was let go of");
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_takes_long_goes_once_a_day_at_its_hour_and_the_rest_every_hour() {
        let midnight = DateTime::UNIX_EPOCH;
        let mut schedule = Schedule::default();
        let (mut ledger, mut bodies) = (Vec::new(), Vec::new());
        for minutes in (0..3 * 24 * 60).step_by(5) {
            let now = midnight + TimeDelta::minutes(minutes);
            if schedule.is_due(RetentionKind::Ledger, now, 3) {
                ledger.push(minutes);
            }
            if schedule.is_due(RetentionKind::Bodies, now, 3) {
                bodies.push(minutes);
            }
            schedule.went(now, 3);
        }
        assert_eq!(ledger, [3 * 60, 27 * 60, 51 * 60]);
        assert_eq!(bodies, (0..72).map(|hour| hour * 60).collect::<Vec<i64>>());
    }
}

//! How far servers are, and so how old one of them is.

use std::collections::VecDeque;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};
use tokio::time::Instant;

/// Moments that are remembered. With one in two seconds they are half an hour; of longer ones each second is forgotten.
const SAMPLES_MAX: usize = 1_000;

/// The cluster, the database and the schema, and how far the log is written or, on a standby, followed. A cluster has
/// one log for all of its databases, so its number alone would let another database pass.
const POSTGRES: &str = "SELECT concat_ws('/', \
     (SELECT system_identifier FROM pg_control_system()), \
     (SELECT oid FROM pg_database WHERE datname = current_database()), \
     coalesce(to_regclass('waha_feed')::oid::text, '-')) AS place, \
     pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_lsn() END, '0/0')::bigint AS position, \
     CASE WHEN pg_is_in_recovery() THEN NULL \
     ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline";
/// The feed, and how far it is.
const MYSQL: &str = "SELECT CAST(epoch AS CHAR) AS place, CAST(position AS SIGNED) AS position, \
     CAST(NULL AS CHAR) AS timeline FROM waha_feed WHERE id = 1";

const OTHER_PLACE: &str = "it does not follow database.url, or was not told of a failover yet: another history, or \
     another database or schema";
const PROMOTED: &str = "it follows nobody: it was promoted, and has a history of its own since";
const AHEAD: &str = "it has what database.url has not: somebody else writes there";
const NOTHING_THERE: &str = "it has nothing that tells how far it is";

/// How far a server is.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(super) struct Sample {
    /// Whose history.
    pub(super) place: String,
    /// How much of it.
    pub(super) position: i64,
    /// Of a PostgreSQL that takes writes.
    pub(super) timeline: Option<String>,
}

/// How far the primary was at which time.
#[derive(Debug, Default)]
pub(super) struct Samples {
    place: String,
    /// Of the primary.
    timeline: Option<String>,
    /// As far as the replica was seen to be.
    furthest: i64,
    /// The primary was not so far later.
    is_ahead: bool,
    /// What the replica was not seen to have, oldest first.
    written: VecDeque<(Instant, i64)>,
    /// All that was written until then is there.
    followed_until: Option<Instant>,
}

/// Reads nothing of each table and of the view: an error says what can't be read.
pub(super) async fn read_nothing(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let of_table = |table| format!("SELECT 1 FROM {table} WHERE 1 = 0");
    let all = migration::tables().chain(["waha_visible_messages"]).map(of_table);
    let all = all.collect::<Vec<_>>().join(" UNION ALL ");
    db.query_all_raw(Statement::from_string(db.get_database_backend(), all)).await.map(drop)
}

/// Asks a server.
pub(super) async fn ask(db: &impl ConnectionTrait) -> Result<Sample, DbErr> {
    let backend = db.get_database_backend();
    let question = if backend == DbBackend::Postgres { POSTGRES } else { MYSQL };
    let found =
        Sample::find_by_statement(Statement::from_string(backend, question)).one(db).await?;
    found.ok_or_else(|| DbErr::RecordNotFound(NOTHING_THERE.to_owned()))
}

impl Samples {
    /// The primary has written so far, at this time at least.
    pub(super) fn wrote(&mut self, at: Instant, primary: Sample) {
        let Sample { place, position, timeline } = primary;
        if self.place != place || self.timeline != timeline {
            *self = Self { place, timeline, furthest: i64::MIN, ..Self::default() };
        }
        self.is_ahead = position < self.furthest;
        if self.written.len() >= SAMPLES_MAX {
            let mut is_kept = false;
            self.written.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.written.push_back((at, position));
    }

    /// The replica has all up to there. An error: it is of another history.
    pub(super) fn followed(&mut self, replica: &Sample) -> Result<(), &'static str> {
        let position = replica.position;
        if self.place != replica.place {
            return Err(OTHER_PLACE);
        }
        if replica.timeline.is_some() && replica.timeline != self.timeline {
            return Err(PROMOTED);
        }
        self.furthest = self.furthest.max(position);
        if self.is_ahead {
            return Err(AHEAD);
        }
        while let Some((at, written)) = self.written.front().copied()
            && written <= position
        {
            self.followed_until = Some(at);
            self.written.pop_front();
        }
        Ok(())
    }

    /// How old the replica is at most; none while that is not known.
    pub(super) fn age(&self) -> Option<Duration> {
        self.followed_until.map(|at| at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(place: &str, position: i64) -> Sample {
        Sample { place: place.to_owned(), position, timeline: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_is_as_old_as_what_it_was_seen_to_have() {
        let mut samples = Samples::default();
        assert_eq!(samples.age(), None);
        for position in [10, 20, 30] {
            samples.wrote(Instant::now(), at("here", position));
            tokio::time::advance(SECOND).await;
        }
        samples.followed(&at("here", 9)).unwrap();
        assert_eq!(samples.age(), None, "it has nothing of what is known");
        samples.followed(&at("here", 25)).unwrap();
        assert_eq!(samples.age(), Some(2 * SECOND));
        tokio::time::advance(SECOND).await;
        samples.followed(&at("here", 25)).unwrap();
        assert_eq!(samples.age(), Some(3 * SECOND), "it stands still");
        samples.followed(&at("here", 30)).unwrap();
        assert_eq!(samples.age(), Some(2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn another_history_says_nothing() {
        let mut samples = Samples::default();
        samples.wrote(Instant::now(), at("here", 10));
        assert!(samples.followed(&at("there", 99)).is_err());
        samples.followed(&at("here", 10)).unwrap();
        samples.wrote(Instant::now(), at("there", 5));
        assert_eq!(samples.age(), None, "what was seen before a failover");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_written_to_by_others_is_none() {
        let mut samples = Samples::default();
        samples.wrote(Instant::now(), at("here", 10));
        samples.followed(&at("here", 12)).unwrap();
        samples.wrote(Instant::now(), at("here", 12));
        samples.followed(&at("here", 20)).unwrap();
        samples.wrote(Instant::now(), at("here", 15));
        assert_eq!(samples.followed(&at("here", 20)), Err(AHEAD));
        let of = |timeline: &str, position| Sample {
            timeline: Some(timeline.to_owned()),
            ..at("here", position)
        };
        samples.wrote(Instant::now(), of("1", 30));
        samples.followed(&at("here", 30)).unwrap();
        samples.followed(&of("1", 30)).unwrap();
        assert_eq!(samples.followed(&of("2", 31)), Err(PROMOTED));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_lag_takes_bounded_memory() {
        let mut samples = Samples::default();
        for position in 0..10_000 {
            samples.wrote(Instant::now(), at("here", position));
            tokio::time::advance(SECOND).await;
        }
        assert!(samples.written.len() <= SAMPLES_MAX);
        samples.followed(&at("here", 5_000)).unwrap();
        assert!(samples.age().unwrap() >= 5_000 * SECOND, "rather too old than too young");
    }
}

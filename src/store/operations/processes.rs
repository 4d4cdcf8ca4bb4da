//! The processes that work, by their own word: who runs, and what each has in hand.
//!
//! Written by `lifecycle::beat`, read by `accounting` and `status`. A process that stops takes its row
//! away, so a row that is old is of one that ended without a word; others take it away after
//! [`KEPT`]. Invariant: whether a process lives is told by its beats, which grow, and never
//! by comparing clocks of different machines.

use chrono::{DateTime, Duration, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use entity::waha_processes::{ActiveModel, Column, Entity, Model};

use crate::queue::{InFlightCounts, Lane};
use crate::store::Store;
use crate::store::audit::fitting;
use crate::store::sql::error::StoreError;

pub use entity::waha_processes::Model as ProcessRow;

/// How long the row of a process that ended without a word is kept.
pub const KEPT: Duration = Duration::hours(24);

/// A time further ahead than this is no time at which a process was heard of: its clock was wrong.
pub const AHEAD_MAX: Duration = Duration::hours(1);

/// Who beats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// A random name.
    pub instance: String,
    /// The machine, pod or container.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// `work`, `up` or `serve`.
    pub role: &'static str,
    /// When it started.
    pub started_at: DateTime<Utc>,
}

impl ProcessIdentity {
    /// Whose row is never committed.
    pub(super) fn nobody() -> Self {
        let (instance, host) = (String::new(), String::new());
        Self { instance, host, pid: 0, role: "", started_at: DateTime::UNIX_EPOCH }
    }
}

/// What a process says when it beats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessBeat {
    /// How many came before.
    pub number: u64,
    /// What it has in hand; none if it could not tell, or has no broker.
    pub in_hand: Option<InFlightCounts>,
}

impl Store {
    /// Writes a beat, and removes the rows of the dead.
    pub async fn beat(
        &self,
        process: &ProcessIdentity,
        beat: &ProcessBeat,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let changed = Entity::update_many()
            .set(beat_columns(beat, now))
            .filter(Column::Instance.eq(&process.instance))
            .exec(&db)
            .await?;
        // None at its first beat, or if somebody took its row away while it was frozen.
        if changed.rows_affected == 0 {
            Entity::insert(first_row(process, beat, now)).exec(&db).await?;
        }
        // Of one that lives on with its clock the next beat says so again; of a dead one this is the time
        // from which its row gets old.
        let bounded = ActiveModel { seen_at: Set(now), ..ActiveModel::default() };
        Entity::update_many()
            .set(bounded)
            .filter(Column::SeenAt.gt(now + AHEAD_MAX))
            .filter(Column::Instance.ne(&process.instance))
            .exec(&db)
            .await?;
        Entity::delete_many()
            .filter(Column::SeenAt.lt(now - KEPT))
            .filter(Column::Instance.ne(&process.instance))
            .exec(&db)
            .await?;
        db.commit().await
    }

    /// A process stops: nobody is to look for it.
    pub async fn forget_process(&self, instance: &str) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Entity::delete_many().filter(Column::Instance.eq(instance)).exec(&db).await?;
        db.commit().await
    }

    /// All that are known, those that started first before the others.
    pub async fn processes(&self) -> Result<Vec<ProcessRow>, StoreError> {
        Ok(Entity::find().order_by_asc(Column::Id).all(&self.pool().db).await?)
    }
}

fn beat_columns(beat: &ProcessBeat, now: DateTime<Utc>) -> ActiveModel {
    let in_hand = |lane: Lane| Set(beat.in_hand.as_ref().map(|it| whole(it.lanes[lane as usize])));
    ActiveModel {
        seen_at: Set(now),
        beats: Set(whole(beat.number)),
        consumers: Set(beat.in_hand.as_ref().map(|it| whole(it.consumers))),
        in_hand_sessions: in_hand(Lane::Sessions),
        in_hand_messages: in_hand(Lane::Messages),
        in_hand_calls: in_hand(Lane::Calls),
        in_hand_chats: in_hand(Lane::Chats),
        in_hand_given_up: Set(beat.in_hand.as_ref().map(|it| whole(it.given_up))),
        updated_at: Set(now),
        ..ActiveModel::default()
    }
}

pub(super) fn first_row(
    process: &ProcessIdentity,
    beat: &ProcessBeat,
    now: DateTime<Utc>,
) -> ActiveModel {
    ActiveModel {
        instance: Set(process.instance.clone()),
        host: Set(fitting(&process.host)),
        pid: Set(i64::from(process.pid)),
        version: Set(env!("CARGO_PKG_VERSION").to_owned()),
        role: Set(process.role.to_owned()),
        started_at: Set(process.started_at),
        ..beat_columns(beat, now)
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a row says its process had in hand; none if it could not tell.
pub fn in_hand(row: &Model) -> Option<InFlightCounts> {
    let whole = |count: Option<i64>| count.map(i64::unsigned_abs);
    let mut lanes = [0; Lane::ALL.len()];
    for lane in Lane::ALL {
        lanes[lane as usize] = whole(match lane {
            Lane::Sessions => row.in_hand_sessions,
            Lane::Messages => row.in_hand_messages,
            Lane::Calls => row.in_hand_calls,
            Lane::Chats => row.in_hand_chats,
        })?;
    }
    let (consumers, given_up) = (whole(row.consumers)?, whole(row.in_hand_given_up)?);
    Some(InFlightCounts { consumers, lanes, given_up })
}

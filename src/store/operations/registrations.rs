//! How our webhook stands in the configurations of WAHA's sessions, as it was last seen there.
//!
//! Called by `registrar`, `monitor`, `admin` and `cli`. Several workers look, each for itself; what is found is the
//! same, so it does not matter whose word is written. Invariant: of several workers one puts a session right, and not
//! twice within the wait, because each time the session starts anew. Of a source they do one after the other, unless two
//! begin at the same instant with different ones.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;
use utoipa::ToSchema;

use entity::webhook_registrations::{ActiveModel, Column, Entity, Model};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::KEYS_MAX;
use crate::store::sql::upsert::Upsert;

/// How our webhook stands in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// As it should.
    Registered,
    /// Something is otherwise.
    Differs,
    /// It is not there.
    Missing,
    /// It is not there, and WAHA's environment has it, for all sessions.
    Global,
    /// It is not there, and whether the environment has it can't be seen.
    Unseen,
}

impl RegistrationState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Registered, Self::Differs, Self::Missing, Self::Global, Self::Unseen];

    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Global => "global",
            Self::Unseen => "unseen",
        }
    }

    /// Whether somebody, or this program, should put it right.
    pub fn is_drift(self) -> bool {
        match self {
            Self::Differs | Self::Missing => true,
            Self::Registered | Self::Global | Self::Unseen => false,
        }
    }
}

/// What was seen of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationNote {
    /// WAHA's name of it.
    pub session: String,
    /// How it stands.
    pub state: RegistrationState,
    /// The names of what is otherwise.
    pub differences: Vec<&'static str>,
}

/// A session whose webhook should be put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegistrationDrift {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `differs` or `missing`.
    pub state: String,
    /// What is otherwise, with commas.
    pub differences: Option<String>,
    /// Why putting it right failed, if that was tried.
    pub problem: Option<String>,
    /// Since when it stands so.
    pub since: DateTime<Utc>,
    /// When it was last looked at.
    pub checked_at: DateTime<Utc>,
}

/// When a session may be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationTurn {
    /// It has stood so since then.
    pub settled_before: DateTime<Utc>,
    /// Nobody tried since then.
    pub tried_before: DateTime<Utc>,
    /// Who began with another session of the source before then is taken for gone.
    pub free_before: DateTime<Utc>,
}

impl Store {
    /// Keeps what was seen of a source's sessions; those that WAHA lists no more go. Returns the names of those that
    /// stand otherwise than was known.
    pub async fn note_registrations(
        &self,
        source: &str,
        notes: &[RegistrationNote],
    ) -> Result<Vec<String>, StoreError> {
        let now = self.clock.now();
        let of_source = Entity::find().filter(Column::Source.eq(source));
        let known = of_source.all(&self.pool().db).await?;
        let rows: HashMap<&str, &Model> =
            known.iter().map(|row| (row.session.as_str(), row)).collect();
        let is_news = |note: &&RegistrationNote| {
            rows.get(note.session.as_str()).is_none_or(|row| !is_same(row, note))
        };
        let news: Vec<&RegistrationNote> = notes.iter().filter(is_news).collect();
        let listed: HashSet<&str> = notes.iter().map(|note| note.session.as_str()).collect();
        let is_gone = |row: &&Model| !listed.contains(row.session.as_str());
        let gone: Vec<i64> = known.iter().filter(is_gone).map(|row| row.id).collect();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let rows: Vec<ActiveModel> = news.iter().map(|note| row(source, note, now)).collect();
        if !rows.is_empty() {
            let key = &[Column::Source, Column::Session];
            Upsert::<Entity>::new(self.dialect, key).run(&db, rows).await?;
        }
        for note in &news {
            let this = this(source, &note.session);
            Entity::update_many().set(changed(note, now)).filter(this).exec(&db).await?;
        }
        let looked = ActiveModel { checked_at: Set(now), ..ActiveModel::default() };
        let all = Column::Source.eq(source);
        Entity::update_many().set(looked).filter(all).exec(&db).await?;
        for gone in gone.chunks(KEYS_MAX) {
            let gone = Column::Id.is_in(gone.iter().copied());
            Entity::delete_many().filter(gone).exec(&db).await?;
        }
        db.commit().await?;
        Ok(news.into_iter().map(|note| note.session.clone()).collect())
    }

    /// Keeps what was seen of one session that is known.
    pub async fn note_registration(
        &self,
        source: &str,
        note: &RegistrationNote,
    ) -> Result<(), StoreError> {
        let change = changed(note, self.clock.now());
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let this = this(source, &note.session);
        Entity::update_many().set(change).filter(this).exec(&db).await?;
        db.commit().await
    }

    /// Whether this worker is to put a session right now. Says so once. The turn ends when it is noted how the session
    /// stands then, or why it was not put right.
    pub async fn claim_registration(
        &self,
        source: &str,
        session: &str,
        turn: RegistrationTurn,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_rested = Condition::any()
            .add(Column::AppliedAt.is_null())
            .add(Column::AppliedAt.lte(turn.tried_before));
        let claim = ActiveModel {
            applied_at: Set(Some(now)),
            problem: Set(None),
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        if is_taken(&db, source, session, turn.free_before).await? {
            db.rollback().await?;
            return Ok(false);
        }
        let claimed = Entity::update_many()
            .set(claim)
            .filter(this(source, session))
            .filter(Column::SinceAt.lte(turn.settled_before))
            .filter(is_rested)
            .exec(&db)
            .await?;
        db.commit().await?;
        Ok(claimed.rows_affected == 1)
    }

    /// Keeps why a session was not put right; none if it was.
    pub async fn note_registration_problem(
        &self,
        source: &str,
        session: &str,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let change = ActiveModel {
            problem: Set(reason.map(str::to_owned)),
            updated_at: Set(self.clock.now()),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Entity::update_many().set(change).filter(this(source, session)).exec(&db).await?;
        db.commit().await
    }

    /// Forgets what was seen of sources that are not looked at any more.
    pub async fn forget_registrations_but(&self, sources: &[String]) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let others = Condition::all().add(Column::Source.is_not_in(sources));
        Entity::delete_many().filter(others).exec(&db).await?;
        db.commit().await
    }

    /// Sessions whose webhook should be put right, those first that have waited longest.
    pub async fn registration_drifts(&self) -> Result<Vec<RegistrationDrift>, StoreError> {
        let drifts = RegistrationState::ALL.into_iter().filter(|state| state.is_drift());
        let rows = Entity::find()
            .filter(Column::State.is_in(drifts.map(RegistrationState::name)))
            .order_by_asc(Column::SinceAt)
            .order_by_asc(Column::Id);
        let rows = rows.all(&self.pool().db).await?;
        Ok(rows.into_iter().map(RegistrationDrift::from).collect())
    }

    /// How many sessions stand in which state.
    pub async fn registration_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let counted = Entity::find()
            .select_only()
            .column(Column::State)
            .column_as(Column::Id.count(), "count")
            .group_by(Column::State);
        Ok(counted.into_tuple().all(&self.pool().db).await?)
    }
}

impl From<Model> for RegistrationDrift {
    fn from(row: Model) -> Self {
        let Model { source, session, state, differences, problem, since_at, checked_at, .. } = row;
        Self { source, session, state, differences, problem, since: since_at, checked_at }
    }
}

/// Whether another session of the source is being put right. Workers look at the sessions in one order and wait for one
/// another at the first that both would put right, so none misses what was claimed before it. No lock of its own: those
/// who note all sessions of a source lock their rows in another order.
async fn is_taken(
    db: &impl ConnectionTrait,
    source: &str,
    session: &str,
    free_before: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let of_source = || Entity::find().filter(Column::Source.eq(source));
    let drifts = RegistrationState::ALL.into_iter().filter(|state| state.is_drift());
    let other = of_source()
        .filter(Column::Session.ne(session))
        .filter(Column::AppliedAt.gt(free_before))
        .filter(Column::Problem.is_null())
        .filter(Column::State.is_in(drifts.map(RegistrationState::name)));
    Ok(other.one(db).await?.is_some())
}

fn this(source: &str, session: &str) -> Condition {
    Condition::all().add(Column::Source.eq(source)).add(Column::Session.eq(session))
}

fn is_same(row: &Model, note: &RegistrationNote) -> bool {
    row.state == note.state.name() && row.differences == joined(note)
}

fn joined(note: &RegistrationNote) -> Option<String> {
    (!note.differences.is_empty()).then(|| note.differences.join(", "))
}

fn row(source: &str, note: &RegistrationNote, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        source: Set(source.to_owned()),
        session: Set(note.session.clone()),
        applied_at: Set(None),
        created_at: NotSet,
        ..changed(note, now)
    }
}

fn changed(note: &RegistrationNote, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        state: Set(note.state.name().to_owned()),
        differences: Set(joined(note)),
        problem: Set(None),
        since_at: Set(now),
        checked_at: Set(now),
        updated_at: Set(now),
        ..ActiveModel::default()
    }
}

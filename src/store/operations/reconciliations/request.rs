//! That something is compared: by a command, or because something happened to a session.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::reconciliations::{ActiveModel, Column, Entity};
use entity::waha_sessions;

use super::{ReconciliationKind, ReconciliationRow, ReconciliationState};
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// Sessions that are read at a time.
const PAGE: u64 = 1_000;

/// What is to be compared: messages sent from `from` on, up to `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconciliationWindow {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The last one.
    pub until: DateTime<Utc>,
}

/// That a session is to be compared.
#[derive(Clone, Copy, Debug)]
pub struct ReconciliationRequest {
    /// Its row.
    pub session_id: i64,
    /// Why.
    pub kind: ReconciliationKind,
    /// Which of its messages.
    pub window: ReconciliationWindow,
    /// What caused it, so that the same does not cause it twice.
    pub mark: Option<i64>,
    /// When; none: whoever asks does it.
    pub due_at: Option<DateTime<Utc>>,
}

/// A session of a WAHA, as far as it matters for what is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMark {
    /// Its row.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of it.
    pub name: String,
    /// As WAHA last told.
    pub status: Option<String>,
    /// Since when.
    pub status_at: Option<DateTime<Utc>>,
    /// What is known of what was compared, by kind.
    pub rows: Vec<ReconciliationRow>,
}

impl SessionMark {
    /// What is known of this kind.
    pub fn row(&self, kind: ReconciliationKind) -> Option<&ReconciliationRow> {
        self.rows.iter().find(|row| row.kind == kind.name())
    }
}

impl Store {
    /// The sessions of these sources, with what was compared of each.
    pub async fn session_marks(&self, sources: &[String]) -> Result<Vec<SessionMark>, StoreError> {
        let pool = self.pool();
        let (mut marks, mut after_id) = (Vec::new(), 0);
        loop {
            let sessions = waha_sessions::Entity::find()
                .filter(waha_sessions::Column::Source.is_in(sources))
                .filter(waha_sessions::Column::Id.gt(after_id))
                .order_by_asc(waha_sessions::Column::Id)
                .limit(PAGE)
                .all(&pool.db)
                .await?;
            let Some(last) = sessions.last() else { return Ok(marks) };
            let ids = Column::SessionId.between(after_id + 1, last.id);
            let rows = Entity::find().filter(ids).all(&pool.db).await?;
            after_id = last.id;
            marks.extend(sessions.into_iter().map(|session| {
                let of = |row: &&ReconciliationRow| row.session_id == Some(session.id);
                SessionMark {
                    id: session.id,
                    rows: rows.iter().filter(of).cloned().collect(),
                    source: session.source,
                    name: session.name,
                    status: session.status,
                    status_at: session.status_at,
                }
            }));
        }
    }

    /// Asks for it. What is on the way for the same kind goes on where it is, and its window grows: nothing that
    /// was asked for is left out.
    pub async fn request_reconciliation(
        &self,
        request: &ReconciliationRequest,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        let key = &[Column::SessionId, Column::Kind];
        let rows = vec![row(request, now)];
        Upsert::<Entity>::new(self.dialect, key).run(&db, rows).await?;
        let this = Condition::all()
            .add(Column::SessionId.eq(request.session_id))
            .add(Column::Kind.eq(request.kind.name()));
        // Whoever takes it just now waits, and then finds that it has changed.
        let found = Entity::find().filter(this.clone()).lock_exclusive();
        let found = found.one(&db).await?.ok_or(StoreError::Vanished("reconciliations"))?;
        let change = asked(&found, request, now);
        Entity::update_many().set(change).filter(this).exec(&db).await?;
        db.commit().await
    }
}

fn row(request: &ReconciliationRequest, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        session_id: Set(Some(request.session_id)),
        kind: Set(request.kind.name().to_owned()),
        state: Set(ReconciliationState::Done.name().to_owned()),
        reason: Set(None),
        from_at: Set(None),
        until_at: Set(None),
        cursor_at: Set(None),
        mark: Set(None),
        due_at: Set(None),
        leased_until: Set(None),
        lease_number: Set(0),
        failures: Set(0),
        requests: Set(0),
        listed: Set(0),
        missing: Set(0),
        accepted: Set(0),
        ended_at: Set(None),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// What a request changes of a row.
fn asked(
    found: &ReconciliationRow,
    request: &ReconciliationRequest,
    now: DateTime<Utc>,
) -> ActiveModel {
    let ReconciliationRequest { window: ReconciliationWindow { from, until }, .. } = *request;
    let waiting = ReconciliationState::Waiting.name();
    // A worker that has it now is not disturbed: it meets the new end when it gets there.
    let goes_on = found.state == waiting && found.cursor_at.is_some_and(|cursor| cursor >= from);
    let goes_on = goes_on && found.from_at.is_some_and(|before| before <= from);
    let common = ActiveModel {
        state: Set(waiting.to_owned()),
        mark: request.mark.map_or(NotSet, |mark| Set(Some(mark))),
        due_at: Set(request.due_at),
        updated_at: Set(now),
        ..ActiveModel::default()
    };
    let is_people = request.kind == ReconciliationKind::People;
    if goes_on {
        let until = found.until_at.map_or(until, |before| before.max(until));
        return ActiveModel { until_at: Set(Some(until)), ..common };
    }
    ActiveModel {
        reason: Set(None),
        from_at: Set(Some(from)),
        until_at: Set(Some(until)),
        cursor_at: Set(Some(from)),
        failures: Set(0),
        requests: Set(0),
        listed: Set(0),
        missing: Set(0),
        // Where people are asked for begins anew, too.
        mark: if is_people { Set(Some(0)) } else { common.mark },
        // Whoever has the old window writes nothing any more.
        lease_number: Set(found.lease_number + 1),
        leased_until: Set(None),
        ..common
    }
}

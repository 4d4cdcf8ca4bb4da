//! Whom the feed is delivered to: how far each got, and which process delivers.
//!
//! Called by `consumers`, which delivers, and by `cli`, through which operators pause, rewind and skip
//! (`operate`).
//!
//! **Who delivers** is told by a lease that knows no clock, because those of machines differ: whatever its owner
//! does makes its number grow, and another process takes over if it has seen the same number for a while.
//! Invariant: what an owner writes counts only while the row is as it read it: its lease, its generation and
//! its position. So one that was frozen or overtaken moves nothing, and nothing goes back behind a rewind.

mod operate;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, NotSet, QueryFilter, QueryOrder, QuerySelect, Set,
};

use entity::feed_consumers::{ActiveModel, Column, Entity};
use entity::{waha_changes, waha_sessions};

use crate::store::Store;
use crate::store::feed::ChangeKind;
use crate::store::operations::feed::{ChangeFilter, Cursor};
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

pub use entity::feed_consumers::Model as ConsumerRow;
pub use operate::{ConsumerRefusal, NextChange};

/// Whether something is delivered to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// Yes.
    Active,
    /// Not until an operator resumes it.
    Paused,
    /// The feed no longer has what comes next: not until an operator says from where to go on.
    Gone,
}

/// How it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerKind {
    /// By signed requests.
    Webhook,
    /// By an exchange on RabbitMQ.
    Exchange,
}

/// A session as people call it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionName {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub name: String,
}

/// What a consumer gets of the feed; what is empty does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Only changes of these kinds.
    pub kinds: Vec<ChangeKind>,
    /// Only of these sessions.
    pub sessions: Vec<SessionName>,
}

impl ConsumerState {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Gone => "gone",
        }
    }

    /// That of a row. What a later release may call otherwise is not delivered.
    pub fn of(row: &ConsumerRow) -> Self {
        match row.state.as_str() {
            "active" => Self::Active,
            "gone" => Self::Gone,
            _ => Self::Paused,
        }
    }
}

impl ConsumerKind {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Exchange => "exchange",
        }
    }
}

impl Store {
    /// Makes the row of a consumer, unless there is one. It is told what changes from now on.
    pub async fn register_consumer(
        &self,
        name: &str,
        kind: ConsumerKind,
    ) -> Result<(), StoreError> {
        let feed = self.feed_state().await?;
        let row = ActiveModel {
            id: NotSet,
            name: Set(name.to_owned()),
            kind: Set(kind.name().to_owned()),
            epoch: Set(feed.epoch),
            position: Set(feed.position),
            generation: Set(0),
            state: Set(ConsumerState::Active.name().to_owned()),
            reason: Set(None),
            last_error: Set(None),
            failing_since: Set(None),
            next_try_at: Set(None),
            delivered_at: Set(None),
            lease_owner: Set(None),
            lease_number: Set(0),
            created_at: NotSet,
            updated_at: Set(self.clock.now()),
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Upsert::<Entity>::new(self.dialect, &[Column::Name]).run(&db, vec![row]).await?;
        db.commit().await
    }

    /// All consumers that there ever were, by their names.
    pub async fn consumers(&self) -> Result<Vec<ConsumerRow>, StoreError> {
        Ok(Entity::find().order_by_asc(Column::Name).all(&self.pool().db).await?)
    }

    /// A consumer.
    pub async fn consumer(&self, name: &str) -> Result<Option<ConsumerRow>, StoreError> {
        Ok(Entity::find().filter(Column::Name.eq(name)).one(&self.pool().db).await?)
    }

    /// Takes or renews the lease of a consumer whose row is still as it was read; none if it is not.
    pub async fn lease_consumer(
        &self,
        row: &ConsumerRow,
        owner: &str,
    ) -> Result<Option<ConsumerRow>, StoreError> {
        let change = ActiveModel { lease_owner: Set(Some(owner.to_owned())), ..Default::default() };
        let leased = self.change_consumer(row, change).await?;
        Ok(leased.then(|| ConsumerRow {
            lease_owner: Some(owner.to_owned()),
            lease_number: row.lease_number + 1,
            ..row.clone()
        }))
    }

    /// Gives the lease back, so that another process delivers at once.
    pub async fn release_consumer(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        let change = ActiveModel { lease_owner: Set(None), ..Default::default() };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let is_mine = Column::Name.eq(name).and(Column::LeaseOwner.eq(owner));
        Entity::update_many().set(change).filter(is_mine).exec(&db).await?;
        db.commit().await
    }

    /// Moves a consumer on; `is_delivered`: because something was delivered, and not because nothing was for it.
    /// None if its row is not any more as it was read, and then nothing moves.
    pub async fn advance_consumer(
        &self,
        row: &ConsumerRow,
        to: i64,
        is_delivered: bool,
    ) -> Result<Option<ConsumerRow>, StoreError> {
        let mut after =
            ConsumerRow { position: to, lease_number: row.lease_number + 1, ..row.clone() };
        if is_delivered {
            after.delivered_at = Some(self.clock.now());
            (after.last_error, after.failing_since, after.next_try_at) = (None, None, None);
        }
        let change = ActiveModel {
            position: Set(to),
            last_error: Set(after.last_error.clone()),
            failing_since: Set(after.failing_since),
            next_try_at: Set(after.next_try_at),
            delivered_at: Set(after.delivered_at),
            ..Default::default()
        };
        Ok(self.change_consumer(row, change).await?.then_some(after))
    }

    /// Notes that a delivery failed, and when the next is tried. False if the row is not any more as it was read.
    pub async fn note_failed_delivery(
        &self,
        row: &ConsumerRow,
        error: &str,
        next_try_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let since = row.failing_since.unwrap_or_else(|| self.clock.now());
        let change = ActiveModel {
            last_error: Set(Some(error.to_owned())),
            failing_since: Set(Some(since)),
            next_try_at: Set(Some(next_try_at)),
            ..Default::default()
        };
        self.change_consumer(row, change).await
    }

    /// Delivers no more to a consumer, and says why.
    pub async fn stop_consumer(
        &self,
        row: &ConsumerRow,
        state: ConsumerState,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let change = ActiveModel {
            state: Set(state.name().to_owned()),
            reason: Set(Some(reason.to_owned())),
            ..Default::default()
        };
        self.change_consumer(row, change).await
    }

    /// Changes a row that is still as it was read.
    async fn change_consumer(
        &self,
        row: &ConsumerRow,
        change: ActiveModel,
    ) -> Result<bool, StoreError> {
        let change = ActiveModel { updated_at: Set(self.clock.now()), ..change };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let update = Entity::update_many()
            .set(change)
            .col_expr(Column::LeaseNumber, Expr::col(Column::LeaseNumber).add(1))
            .filter(as_read(row));
        let changed = update.exec(&db).await?.rows_affected;
        db.commit().await?;
        Ok(changed == 1)
    }

    /// When the first thing happened that a consumer at this position was not told; none if there is nothing.
    pub async fn changed_at_after(
        &self,
        position: i64,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        use waha_changes::{Column, Entity};
        let first = Entity::find().filter(Column::Position.gt(position));
        let first = first.order_by_asc(Column::Position).limit(1);
        Ok(first.one(&self.pool().db).await?.map(|change| change.changed_at))
    }

    /// What passes to a consumer with this subscription.
    pub async fn change_filter(
        &self,
        subscription: &Subscription,
    ) -> Result<ChangeFilter, StoreError> {
        let sessions = match &*subscription.sessions {
            [] => None,
            names => Some(self.session_ids(names).await?),
        };
        Ok(ChangeFilter { kinds: subscription.kinds.clone(), sessions })
    }

    /// Ids of the sessions with these names, as far as there are such.
    async fn session_ids(&self, names: &[SessionName]) -> Result<Vec<i64>, StoreError> {
        use waha_sessions::{Column, Entity};
        let is = |it: &SessionName| Column::Source.eq(&it.source).and(Column::Name.eq(&it.name));
        let any = names.iter().fold(Condition::any(), |any, name| any.add(is(name)));
        let ids = Entity::find().select_only().column(Column::Id).filter(any);
        Ok(ids.into_tuple().all(&self.pool().db).await?)
    }

    /// Names of sessions by their ids.
    pub async fn session_names(
        &self,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<(i64, SessionName)>, StoreError> {
        use waha_sessions::{Column, Entity};
        let select = Entity::find().select_only();
        let select = select.columns([Column::Id, Column::Source, Column::Name]);
        let found: Vec<(i64, String, String)> =
            select.filter(Column::Id.is_in(ids)).into_tuple().all(&self.pool().db).await?;
        Ok(found.into_iter().map(|(id, source, name)| (id, SessionName { source, name })).collect())
    }
}

/// From where a consumer reads on.
pub fn cursor(row: &ConsumerRow) -> Cursor<'_> {
    Cursor { after: row.position, epoch: Some(&row.epoch) }
}

/// The row, if it is still as it was read.
fn as_read(row: &ConsumerRow) -> Condition {
    let owner = match &row.lease_owner {
        Some(owner) => Column::LeaseOwner.eq(owner),
        None => Column::LeaseOwner.is_null(),
    };
    Condition::all()
        .add(Column::Id.eq(row.id))
        .add(owner)
        .add(Column::LeaseNumber.eq(row.lease_number))
        .add(Column::Generation.eq(row.generation))
        .add(Column::Position.eq(row.position))
        .add(Column::State.eq(&row.state))
}

//! How much would go: counted, not estimated. Reads whole tables, so it is for people who ask.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect,
    Select,
};

use entity::{
    audit_logs, dead_letters, waha_calls, waha_changes, waha_messages, waha_session_probes,
    waha_session_statuses, webhook_bodies, webhook_events,
};

use super::ledger::has_no_letter;
use super::messages::{has_later, is_not_referred, since_stored};
use super::settled::{settled_letters, uncounted_entries};
use super::sources::OfSources;
use crate::store::Store;
use crate::store::bodies::{is_packed, packed};
use crate::store::operations::dead_letter::{big_integer, body_bytes};
use crate::store::sql::error::StoreError;

/// Rows of a kind, and what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct RemovableRows {
    /// How many.
    pub rows: i64,
    /// Bytes of their bodies and texts, without what the database adds to each row.
    pub bytes: i64,
    /// How many are as old and stay, because of what refers to them.
    #[sea_orm(skip)]
    pub kept: i64,
}

impl Store {
    /// Bodies of webhooks of these sources that were received before.
    pub async fn removable_bodies(
        &self,
        before: DateTime<Utc>,
        sources: &OfSources,
    ) -> Result<RemovableRows, StoreError> {
        use webhook_events::{Column, Entity};
        let has_body = Condition::any().add(Column::Body.is_not_null()).add(is_packed());
        let old = Entity::find()
            .join(JoinType::LeftJoin, packed())
            .filter(Column::ReceivedAt.lt(before))
            .filter(sources.named_in(Column::Source))
            .filter(has_body);
        self.removable(old, stored_body()).await
    }

    /// Rows of the ledger that were received before, but those with a dead letter; with their bodies. Repetitions
    /// of them go, too, and are not counted here.
    pub async fn removable_webhooks(
        &self,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        use webhook_events::{Column, Entity};
        let old =
            Entity::find().join(JoinType::LeftJoin, packed()).filter(Column::ReceivedAt.lt(before));
        let texts = [Column::Source, Column::Session, Column::EventType, Column::WebhookId];
        let texts = texts.map(|column| length(Expr::col((Entity, column))));
        let bytes = sum(texts).add(stored_body());
        self.removable_but(old, Condition::all().add(has_no_letter()), bytes).await
    }

    /// Messages of these sources whose content was stored before, but those that something refers to. What hangs on
    /// them goes, too, and is not counted here.
    pub async fn removable_messages(
        &self,
        before: DateTime<Utc>,
        sources: &OfSources,
    ) -> Result<RemovableRows, StoreError> {
        use waha_messages::{Column, Entity};
        let old = Entity::find()
            .filter(since_stored().lt(before))
            .filter(sources.of_session(Column::SessionId));
        let texts = [Column::MessageId, Column::Content, Column::Details, Column::ReplyToContent];
        let bytes = sum(texts.map(|column| text_length(Expr::col((Entity, column)))));
        self.removable_but(old, is_not_referred(before), bytes).await
    }

    /// Calls of these sources that were stored before.
    pub async fn removable_calls(
        &self,
        before: DateTime<Utc>,
        sources: &OfSources,
    ) -> Result<RemovableRows, StoreError> {
        use waha_calls::{Column, Entity};
        let old = Entity::find()
            .filter(Column::CreatedAt.lt(before))
            .filter(sources.of_session(Column::SessionId));
        self.removable(old, length(Expr::col((Entity, Column::CallId)))).await
    }

    /// States of sessions of these sources that were stored before, but the newest of each.
    pub async fn removable_statuses(
        &self,
        before: DateTime<Utc>,
        sources: &OfSources,
    ) -> Result<RemovableRows, StoreError> {
        use waha_session_statuses::{Column, Entity};
        let old = Entity::find()
            .filter(Column::CreatedAt.lt(before))
            .filter(sources.of_session(Column::SessionId));
        self.removable_but(old, has_later(), length(Expr::col((Entity, Column::Status)))).await
    }

    /// Of old rows those that may go; the others are kept.
    async fn removable_but<E: EntityTrait>(
        &self,
        old: Select<E>,
        may_go: Condition,
        bytes: SimpleExpr,
    ) -> Result<RemovableRows, StoreError> {
        let all = self.removable(old.clone(), Expr::val(0)).await?;
        let going = self.removable(old.filter(may_go), bytes).await?;
        Ok(RemovableRows { kept: all.rows - going.rows, ..going })
    }

    /// Changes of the feed from before. The newest stays, and so does what stands behind one that stays.
    pub async fn removable_changes(
        &self,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        use waha_changes::{Column, Entity};
        let newest = self.feed_state().await?.position;
        let old =
            Entity::find().filter(Column::ChangedAt.lt(before)).filter(Column::Position.lt(newest));
        let texts = [Column::Kind, Column::NaturalKey].map(|it| length(Expr::col((Entity, it))));
        self.removable(old, sum(texts)).await
    }

    /// Dead letters that were replayed or discarded before.
    pub async fn removable_letters(
        &self,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        let old = dead_letters::Entity::find().filter(settled_letters(before));
        self.removable(old, body_bytes(self.dialect.backend())).await
    }

    /// Entries of the audit log from before, but those that the equation counts.
    pub async fn removable_audit_logs(
        &self,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        use audit_logs::{Column, Entity};
        let old = Entity::find().filter(uncounted_entries()).filter(Column::DoneAt.lt(before));
        let texts = [
            Column::Actor,
            Column::Place,
            Column::Filter,
            Column::OldValues,
            Column::NewValues,
            Column::Note,
        ];
        let texts = texts.map(|column| text_length(Expr::col((Entity, column))));
        self.removable(old, sum(texts)).await
    }

    /// What was found of sessions before, and done about it.
    pub async fn removable_probes(
        &self,
        before: DateTime<Utc>,
    ) -> Result<RemovableRows, StoreError> {
        use waha_session_probes::{Column, Entity};
        let old = Entity::find().filter(Column::At.lt(before));
        let texts = [Column::Kind, Column::Verdict, Column::Reason, Column::Status];
        let texts = texts.map(|column| text_length(Expr::col((Entity, column))));
        self.removable(old, sum(texts)).await
    }

    async fn removable<E: EntityTrait>(
        &self,
        old: Select<E>,
        bytes: SimpleExpr,
    ) -> Result<RemovableRows, StoreError> {
        let integer = || Alias::new(big_integer(self.dialect.backend()));
        let bytes = Func::coalesce([Func::sum(bytes).into(), Expr::val(0)]);
        let rows = Func::count(Expr::val(1));
        let counted = old
            .select_only()
            .column_as(Expr::from(Func::cast_as(rows, integer())), "rows")
            .column_as(Expr::from(Func::cast_as(bytes, integer())), "bytes")
            .into_model::<RemovableRows>();
        Ok(counted.one(&self.pool().db).await?.unwrap_or_default())
    }
}

/// Bytes that the body of a row of the ledger takes, wherever it is.
fn stored_body() -> SimpleExpr {
    let packed = length(Expr::col((webhook_bodies::Entity, webhook_bodies::Column::Body)));
    let plain = length(Expr::col((webhook_events::Entity, webhook_events::Column::Body)));
    Func::coalesce([packed, plain, Expr::val(0)]).into()
}

/// The same of a text that may not be there.
fn text_length(column: Expr) -> SimpleExpr {
    Func::coalesce([length(column), Expr::val(0)]).into()
}

fn length(column: Expr) -> SimpleExpr {
    Func::cust("LENGTH").arg(column).into()
}

fn sum<const N: usize>(lengths: [SimpleExpr; N]) -> SimpleExpr {
    lengths.into_iter().reduce(SimpleExpr::add).unwrap_or_else(|| Expr::val(0))
}

//! The audit log: who did what, when and from where. Rows are written in the transaction that does
//! it, wherever there is one.
//!
//! Called by the rest of `store`, by `cli` and by whoever changes keys. What must stay true: no body,
//! secret or message text gets into it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use entity::audit_logs::{ActiveModel, Column, Entity};

use super::{Store, StoreError};

pub use entity::audit_logs::Model as AuditLog;

/// Longest name or place that fits its column.
const CHARS_MAX: usize = 255;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user of the operating system, or the name of a token.
    pub name: String,
    /// Through what.
    pub channel: Channel,
    /// Host and terminal, or the address of the peer.
    pub place: String,
}

/// Through what somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The command line.
    Cli,
    /// The admin API.
    Api,
    /// Nobody: a process does it by itself, as when a file of keys has changed.
    Process,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Dead letters are published again.
    Replay,
    /// A job that does so is stopped for good.
    Cancel,
    /// Dead letters are given up.
    Discard,
    /// They are pending again.
    Restore,
    /// A body is replaced.
    Edit,
    /// Dead letters come from elsewhere.
    Import,
    /// Stored webhooks are read again.
    Renormalize,
    /// Keys of a source or tokens change.
    Keys,
    /// What the equation could not know is decided.
    Settle,
    /// Bodies are read.
    Read,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// What.
    pub action: Action,
    /// Who.
    pub actor: &'a Actor,
    /// On which rows: a filter as JSON.
    pub filter: Option<String>,
    /// On how many.
    pub affected: u64,
    /// What was there before.
    pub old_values: Option<Value>,
    /// What is there now.
    pub new_values: Option<Value>,
    /// Why, in the actor's words.
    pub note: Option<&'a str>,
}

impl<'a> Deed<'a> {
    /// An entry that names only who and what.
    pub fn new(action: Action, actor: &'a Actor) -> Self {
        let (old_values, new_values) = (None, None);
        Self { action, actor, filter: None, affected: 0, old_values, new_values, note: None }
    }
}

impl Channel {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Process => "process",
        }
    }
}

impl Action {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Cancel => "cancel",
            Self::Discard => "discard",
            Self::Restore => "restore",
            Self::Edit => "edit",
            Self::Import => "import",
            Self::Renormalize => "renormalize",
            Self::Keys => "keys",
            Self::Settle => "settle",
            Self::Read => "read",
        }
    }
}

impl Store {
    /// Logs what was done outside of any transaction of ours, or is about to be; returns its number.
    pub async fn log_deed(&self, deed: &Deed<'_>) -> Result<i64, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let id = insert(&db, deed, self.clock.now()).await?;
        db.commit().await?;
        Ok(id)
    }

    /// Adds to the count of a deed that takes long.
    pub async fn count_deed(&self, id: i64, more: u64) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        count(&db, id, more).await?;
        db.commit().await
    }

    /// Entries below `before_id`, newest first.
    pub async fn audit_logs(
        &self,
        action: Option<&str>,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<AuditLog>, StoreError> {
        let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
        if let Some(action) = action {
            query = query.filter(Column::Action.eq(action));
        }
        if let Some(before) = before_id {
            query = query.filter(Column::Id.lt(before));
        }
        Ok(query.all(&self.db).await?)
    }
}

/// Writes an entry; returns its number.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    deed: &Deed<'_>,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let row = ActiveModel {
        done_at: Set(now),
        actor: Set(fitting(&deed.actor.name)),
        channel: Set(deed.actor.channel.name().to_owned()),
        place: Set(fitting(&deed.actor.place)),
        action: Set(deed.action.name().to_owned()),
        filter: Set(deed.filter.clone()),
        affected: Set(i64::try_from(deed.affected).unwrap_or(i64::MAX)),
        old_values: Set(deed.old_values.as_ref().map(Value::to_string)),
        new_values: Set(deed.new_values.as_ref().map(Value::to_string)),
        note: Set(deed.note.map(str::to_owned)),
        updated_at: Set(now),
        ..ActiveModel::default()
    };
    Ok(Entity::insert(row).exec(db).await?.last_insert_id)
}

/// Adds to an entry's count, in the transaction of what is counted.
pub(super) async fn count(db: &impl ConnectionTrait, id: i64, more: u64) -> Result<(), StoreError> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    let mut update = Query::update();
    update
        .table(Alias::new("audit_logs"))
        .value(Alias::new("affected"), Expr::col(Alias::new("affected")).add(more))
        .and_where(Expr::col(Alias::new("id")).eq(id));
    db.execute(&update).await?;
    Ok(())
}

/// Cut to what its column holds.
pub(super) fn fitting(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}

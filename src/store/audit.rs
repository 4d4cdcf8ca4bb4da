//! The audit log: who did what, when and from where. Rows are written in the transaction that does
//! it, wherever there is one.
//!
//! Called by `apply` and `operations`, by `cli` and by whoever changes keys. A room of its own, because both
//! write it within their transactions and `apply` must not know `operations`.
//!
//! Invariant: no body, secret or message text gets into it.
//!
//! May import `sql`, and what `store` shares.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use entity::audit_logs::{ActiveModel, Column, Entity};

use crate::store::Store;
use crate::store::sql::error::StoreError;

pub use entity::audit_logs::Model as AuditLogRow;

/// Longest name or place that fits its column.
const CHARS_MAX: usize = 255;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user of the operating system, or the name of a token.
    pub name: String,
    /// Through what.
    pub channel: ActorChannel,
    /// Host and terminal, or the address of the peer.
    pub place: String,
}

/// Through what somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorChannel {
    /// The command line.
    Cli,
    /// The admin API.
    Api,
    /// Pages in a browser.
    Console,
    /// Nobody: a process does it by itself, as when a file of keys has changed.
    Process,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[schema(as = Action)]
pub enum AuditAction {
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
    /// Webhooks that wait for their next attempt are tried now.
    Retry,
    /// Keys of a source or tokens change.
    Keys,
    /// What the equation could not know is decided.
    Settle,
    /// What is old is let go of at once.
    Retain,
    /// Bodies are read.
    Read,
    /// Nothing is delivered to a consumer of the feed.
    Pause,
    /// It is delivered to again.
    Resume,
    /// It gets once more what it got.
    Rewind,
    /// It does not get a change.
    Skip,
    /// It is forgotten.
    Remove,
    /// The feed gets another epoch.
    Renew,
    /// The words of messages are filled in.
    Enable,
    /// They are taken away.
    Disable,
    /// Our webhook is put into sessions of WAHA, or taken out.
    Register,
    /// Rows that lead nowhere are mended.
    Repair,
    /// Somebody begins a session of the console.
    LogIn,
    /// Somebody ends it.
    LogOut,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// What.
    pub action: AuditAction,
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

impl<'a> AuditEntry<'a> {
    /// An entry that names only who and what.
    pub fn new(action: AuditAction, actor: &'a Actor) -> Self {
        let (old_values, new_values) = (None, None);
        Self { action, actor, filter: None, affected: 0, old_values, new_values, note: None }
    }
}

impl ActorChannel {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Console => "console",
            Self::Process => "process",
        }
    }
}

impl AuditAction {
    /// Every one.
    pub const ALL: [Self; 24] = [
        Self::Replay,
        Self::Cancel,
        Self::Discard,
        Self::Restore,
        Self::Edit,
        Self::Import,
        Self::Renormalize,
        Self::Retry,
        Self::Keys,
        Self::Settle,
        Self::Retain,
        Self::Read,
        Self::Pause,
        Self::Resume,
        Self::Rewind,
        Self::Skip,
        Self::Remove,
        Self::Renew,
        Self::Enable,
        Self::Disable,
        Self::Register,
        Self::Repair,
        Self::LogIn,
        Self::LogOut,
    ];

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
            Self::Retry => "retry",
            Self::Keys => "keys",
            Self::Settle => "settle",
            Self::Retain => "retain",
            Self::Read => "read",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rewind => "rewind",
            Self::Skip => "skip",
            Self::Remove => "remove",
            Self::Renew => "renew",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Register => "register",
            Self::Repair => "repair",
            Self::LogIn => "log_in",
            Self::LogOut => "log_out",
        }
    }
}

impl Store {
    /// Logs what was done outside of any transaction of ours, or is about to be; returns its number.
    pub async fn record(&self, entry: &AuditEntry<'_>) -> Result<i64, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let id = insert(&db, entry, self.clock.now()).await?;
        db.commit().await?;
        Ok(id)
    }

    /// Adds to the count of an entry about what takes long.
    pub async fn record_more(&self, id: i64, more: u64) -> Result<(), StoreError> {
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
    ) -> Result<Vec<AuditLogRow>, StoreError> {
        let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
        if let Some(action) = action {
            query = query.filter(Column::Action.eq(action));
        }
        if let Some(before) = before_id {
            query = query.filter(Column::Id.lt(before));
        }
        Ok(query.all(&self.reading()).await?)
    }
}

/// Writes an entry; returns its number.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    entry: &AuditEntry<'_>,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let row = ActiveModel {
        done_at: Set(now),
        actor: Set(fitting(&entry.actor.name)),
        channel: Set(entry.actor.channel.name().to_owned()),
        place: Set(fitting(&entry.actor.place)),
        action: Set(entry.action.name().to_owned()),
        filter: Set(entry.filter.clone()),
        affected: Set(i64::try_from(entry.affected).unwrap_or(i64::MAX)),
        old_values: Set(entry.old_values.as_ref().map(Value::to_string)),
        new_values: Set(entry.new_values.as_ref().map(Value::to_string)),
        note: Set(entry.note.map(str::to_owned)),
        updated_at: Set(now),
        ..ActiveModel::default()
    };
    Ok(Entity::insert(row).exec(db).await?.last_insert_id)
}

/// Adds to an entry's count, in the transaction of what is counted. An entry that is gone, as after a
/// failover, is an error: what it counts would be in no sum.
pub(super) async fn count(db: &impl ConnectionTrait, id: i64, more: u64) -> Result<(), StoreError> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    let mut update = Query::update();
    update
        .table(Alias::new("audit_logs"))
        .value(Alias::new("affected"), Expr::col(Alias::new("affected")).add(more))
        .and_where(Expr::col(Alias::new("id")).eq(id));
    match db.execute(&update).await?.rows_affected() {
        0 => Err(StoreError::Vanished("audit_logs")),
        _ => Ok(()),
    }
}

/// Cut to what its column holds.
pub(super) fn fitting(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `clap` knows every one by itself.
    #[test]
    fn every_action_is_listed_and_described() {
        let described = include_str!("../../entity/README.md");
        let line = described.lines().find(|line| line.starts_with("| `action` |")).unwrap();
        let every = <AuditAction as clap::ValueEnum>::value_variants();
        assert_eq!(every.len(), AuditAction::ALL.len());
        for action in every {
            assert!(AuditAction::ALL.contains(action), "{action:?}");
            assert!(line.contains(&format!("`{}`", action.name())), "{action:?}");
        }
    }
}

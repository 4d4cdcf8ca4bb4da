//! Rows whose parent is gone.
//!
//! Where the database has the foreign key and keeps it, there are none. Each of ours is in [`RELATIONS`] (a test
//! compares it with the catalogue), and those that have no foreign key on purpose.

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, Order, QueryResult};

use super::lost_chats::LostChats;
use super::{EXAMPLES, Fault, MendedPage, ROWS_MAX, Remedy, RepairFinding};
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::FollowedTable;
use crate::store::sql::error::StoreError;
use crate::store::tables::{attachment, call};
use crate::store::{Store, audit};

const CHATS: &str = "waha_chats";
const SESSIONS: &str = "waha_sessions";
const MESSAGES: &str = "waha_messages";
const LETTERS: &str = "dead_letters";
const WEBHOOKS: &str = "webhook_events";

/// Rows that belong to rows of another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Whose rows.
    pub table: &'static str,
    /// The column with the parent's id.
    pub column: &'static str,
    /// Whose rows they belong to.
    pub parent: &'static str,
    /// What is done if that is gone.
    pub remedy: Remedy,
}

const fn relation(
    table: &'static str,
    column: &'static str,
    parent: &'static str,
    remedy: Remedy,
) -> Relation {
    Relation { table, column, parent, remedy }
}

/// All of them. What waits for a session stays: the session comes back with its next webhook under another id,
/// and only somebody who knows what happened can say which rows are meant.
pub const RELATIONS: [Relation; 35] = [
    relation(MESSAGES, "chat_id", CHATS, Remedy::Leave),
    relation(MESSAGES, "session_id", SESSIONS, Remedy::Leave),
    relation(CHATS, "session_id", SESSIONS, Remedy::Leave),
    relation("waha_contacts", "session_id", SESSIONS, Remedy::Leave),
    relation("waha_labels", "session_id", SESSIONS, Remedy::Leave),
    relation("user_waha", "session_id", SESSIONS, Remedy::Leave),
    relation("waha_session_statuses", "session_id", SESSIONS, Remedy::Delete),
    relation("waha_own_messages", "session_id", SESSIONS, Remedy::Delete),
    relation("waha_session_probes", "session_id", SESSIONS, Remedy::Delete),
    relation("waha_session_watches", "session_id", SESSIONS, Remedy::Delete),
    relation("reconciliation_hours", "session_id", SESSIONS, Remedy::Delete),
    relation("reconciliations", "session_id", SESSIONS, Remedy::Forget),
    relation("waha_calls", "session_id", SESSIONS, Remedy::Leave),
    relation("waha_calls", "chat_id", CHATS, Remedy::Forget),
    relation("waha_attachments", "session_id", SESSIONS, Remedy::Leave),
    relation("waha_attachments", "message_row_id", MESSAGES, Remedy::Forget),
    relation("chat_reads", "chat_id", CHATS, Remedy::Leave),
    relation("waha_chat_labels", "chat_id", CHATS, Remedy::Delete),
    relation("waha_chat_moves", "chat_id", CHATS, Remedy::Delete),
    relation("waha_participants", "chat_id", CHATS, Remedy::Delete),
    relation("waha_join_requests", "chat_id", CHATS, Remedy::Delete),
    relation("waha_reactions", "chat_id", CHATS, Remedy::Leave),
    relation("waha_poll_votes", "chat_id", CHATS, Remedy::Leave),
    relation("waha_event_responses", "chat_id", CHATS, Remedy::Leave),
    relation("waha_message_acks", "chat_id", CHATS, Remedy::Delete),
    relation("waha_message_edits", "chat_id", CHATS, Remedy::Leave),
    relation("waha_message_revocations", "chat_id", CHATS, Remedy::Leave),
    relation("waha_message_claims", "chat_id", CHATS, Remedy::Leave),
    relation("waha_message_referrals", "chat_id", CHATS, Remedy::Leave),
    relation("webhook_duplicates", "webhook_event_id", WEBHOOKS, Remedy::Leave),
    relation("webhook_bodies", "webhook_event_id", WEBHOOKS, Remedy::Leave),
    relation("dead_letter_parts", "dead_letter_id", LETTERS, Remedy::Leave),
    relation("dead_letter_edits", "dead_letter_id", LETTERS, Remedy::Leave),
    relation("dead_letter_replays", "dead_letter_id", LETTERS, Remedy::Delete),
    relation("dead_letter_replays", "job_id", "replay_jobs", Remedy::Delete),
];

impl Relation {
    pub(super) fn place(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// The column that names a row.
    fn key(&self) -> &'static str {
        if self.table == "webhook_bodies" { self.column } else { "id" }
    }

    fn column(&self, column: &'static str) -> Expr {
        Expr::col((Alias::new(self.table), Alias::new(column)))
    }

    fn parent_column(&self) -> Expr {
        Expr::col((Alias::new(self.parent), Alias::new("id")))
    }

    /// The parent is gone.
    fn is_orphan(&self) -> Cond {
        let mut parent = Query::select();
        parent
            .expr(Expr::val(1))
            .from(Alias::new(self.parent))
            .and_where(self.parent_column().eq(self.column(self.column)));
        let has_parent = self.column(self.column).is_not_null();
        Cond::all().add(has_parent).add(Expr::exists(parent).not())
    }

    pub(super) fn orphans(&self) -> SelectStatement {
        let mut select = Query::select();
        select.from(Alias::new(self.table)).cond_where(self.is_orphan());
        select
    }

    fn keys(&self, rows: &[QueryResult]) -> Result<Vec<i64>, StoreError> {
        Ok(rows.iter().map(|row| row.try_get("", self.key())).collect::<Result<_, _>>()?)
    }

    fn first(&self, after: i64, limit: u64) -> SelectStatement {
        let key = (Alias::new(self.table), Alias::new(self.key()));
        let mut select = self.orphans();
        select.column(key.clone()).and_where(self.column(self.key()).gt(after));
        select.order_by(key, Order::Asc).limit(limit);
        select
    }

    /// What applications follow of its rows.
    fn followed(&self) -> Option<&'static FollowedTable> {
        match self.table {
            "waha_calls" => Some(&call::FOLLOWED),
            "waha_attachments" => Some(&attachment::FOLLOWED),
            _ => None,
        }
    }
}

impl Store {
    pub(super) async fn parent_findings(&self) -> Result<Vec<RepairFinding>, StoreError> {
        let mut found = Vec::new();
        let lost = self.lost_chats().await?;
        for relation in &RELATIONS {
            let examples = self.examples_of(relation).await?;
            if examples.is_empty() {
                continue;
            }
            let rows = self.count_orphans(relation).await?;
            let place = relation.place();
            let remedy = remedy_of(relation, &lost);
            found.push(RepairFinding { place, fault: Fault::NoParent, remedy, rows, examples });
        }
        Ok(found)
    }

    async fn examples_of(&self, relation: &Relation) -> Result<Vec<i64>, StoreError> {
        let first = relation.first(i64::MIN, EXAMPLES as u64);
        relation.keys(&self.pool().db.query_all(&first).await?)
    }

    async fn count_orphans(&self, relation: &Relation) -> Result<u64, StoreError> {
        let mut select = relation.orphans();
        select.expr_as(Expr::cust("COUNT(*)"), Alias::new("n"));
        let row = self.pool().db.query_one(&select).await?;
        let count: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        Ok(count.unsigned_abs())
    }

    pub(super) async fn mend_relation(
        &self,
        relation: &Relation,
        after: i64,
        log: i64,
    ) -> Result<Option<MendedPage>, StoreError> {
        if !matches!(relation.remedy, Remedy::Forget | Remedy::Delete) {
            return Ok(None);
        }
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let keys = relation.keys(&db.query_all(&relation.first(after, ROWS_MAX)).await?)?;
        let Some(after) = keys.last().copied() else {
            db.rollback().await?;
            return Ok(None);
        };
        let context = self.write_context(&db);
        let rows = mend(&context, relation, keys).await?;
        audit::count(&db, log, rows).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(Some(MendedPage { after, rows }))
    }
}

/// Chats that can be made again are, and what is in them stays.
fn remedy_of(relation: &Relation, lost: &LostChats) -> Remedy {
    let is_all_found = lost.unknown.is_empty() && !lost.found.is_empty();
    if relation.parent == CHATS && is_all_found { Remedy::Make } else { relation.remedy }
}

/// Judges the rows once more in the statement that changes them.
async fn mend(
    context: &WriteContext<'_>,
    relation: &Relation,
    keys: Vec<i64>,
) -> Result<u64, StoreError> {
    let which = relation.is_orphan().add(relation.column(relation.key()).is_in(keys.clone()));
    if relation.remedy == Remedy::Delete {
        let mut delete = Query::delete();
        delete.from_table(Alias::new(relation.table)).cond_where(which);
        return Ok(context.db.execute(&delete).await?.rows_affected());
    }
    let mut update = Query::update();
    update
        .table(Alias::new(relation.table))
        .values([
            (relation.column, Expr::val(Option::<i64>::None)),
            ("updated_at", context.now_value()),
        ])
        .cond_where(which);
    let rows = context.db.execute(&update).await?.rows_affected();
    if let Some(followed) = relation.followed() {
        let written = Cond::all().add(Expr::col(Alias::new(relation.key())).is_in(keys));
        context.log_written(followed, written).await?;
    }
    Ok(rows)
}

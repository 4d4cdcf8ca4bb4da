//! What two ids of one person told of messages becomes one person's.
//!
//! Rows that meet are not merged in SQL: who owns a message, and what its edits make of it, is
//! settled from what was told. So what the rows hold is told again, with the changes of the batch,
//! under the name that stands for the person.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{
    Alias, Asterisk, Cond, Expr, ExprTrait, JoinType, Query, SelectStatement, UnionType,
};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult};

use super::unite::Union;
use crate::change::{
    Changes, ChatKey, Merge, MessageChange, MessageKey, MessageStatus, SessionKey,
};
use crate::store::StoreError;
use crate::store::relocate::indexed;
use crate::store::rows::claim;
use crate::store::write::Writer;

const MESSAGES: &str = "waha_messages";
const CLAIMS: &str = "waha_message_claims";
/// Tables that say who did something to a message, in a column `author`.
const BY_AUTHOR: [&str; 4] = [MESSAGES, CLAIMS, "waha_message_edits", "waha_message_revocations"];

/// What unions have set in motion.
#[derive(Default)]
pub(in crate::store) struct Moved {
    /// What is told again.
    tellings: BTreeMap<MessageKey, MessageChange>,
    /// Messages to be settled anew.
    unsettled: BTreeSet<MessageKey>,
}

impl Moved {
    /// Adds what is told again to the changes of the batch; returns what is to be settled.
    pub(in crate::store) fn tell(self, changes: &mut Changes) -> BTreeSet<MessageKey> {
        for key in &self.unsettled {
            changes.message(key);
        }
        for (key, telling) in self.tellings {
            changes.message(&key).merge_in(telling);
        }
        self.unsettled
    }

    fn add(&mut self, key: MessageKey, telling: MessageChange) {
        self.unsettled.insert(key.clone());
        self.tellings.merge_in(BTreeMap::from([(key, telling)]));
    }

    /// A further union: whoever was known as `other` is now known as `name`.
    pub(super) fn follow(&mut self, union: &Union<'_>) {
        let chat = |mut key: MessageKey| {
            if key.chat.session == *union.session && key.chat.chat_id == union.other {
                key.chat.chat_id.clone_from(&union.name);
            }
            key
        };
        for (key, mut telling) in std::mem::take(&mut self.tellings) {
            if key.chat.session == *union.session
                && let Some(told) = telling.told.remove(&union.other)
            {
                telling.told.merge_in(BTreeMap::from([(union.name.clone(), told)]));
            }
            self.tellings.merge_in(BTreeMap::from([(chat(key), telling)]));
        }
        self.unsettled = std::mem::take(&mut self.unsettled).into_iter().map(chat).collect();
    }
}

impl Writer<'_> {
    /// Messages of a chat that becomes one with another.
    pub(super) async fn move_messages(
        &self,
        union: &Union<'_>,
        (from, to): (i64, i64),
        moved: &mut Moved,
    ) -> Result<(), StoreError> {
        let (mut ids, mut message_ids) = (Vec::new(), Vec::new());
        let key = |message_id: String| MessageKey { chat: union.chat(), message_id };
        for row in self.db.query_all(&meeting(from, to)).await? {
            let message_id: String = row.try_get("", "message_id")?;
            moved.add(key(message_id.clone()), telling(&row, true)?);
            ids.push(row.try_get::<i64>("", "id")?);
            message_ids.push(message_id);
        }
        if !ids.is_empty() {
            let beside = Cond::all()
                .add(Expr::col(Alias::new("chat_id")).eq(from))
                .add(Expr::col(Alias::new("message_id")).is_in(message_ids));
            for row in self.take_claims(beside).await? {
                moved.add(key(row.try_get("", "message_id")?), telling(&row, false)?);
            }
            self.delete(MESSAGES, ids).await?;
        }
        for table in [MESSAGES, CLAIMS] {
            let mut update = Query::update();
            update
                .table(Alias::new(table))
                .values([("chat_id", Expr::val(to)), ("updated_at", self.now())])
                .and_where(Expr::col(Alias::new("chat_id")).eq(from));
            self.db.execute(&update).await?;
        }
        Ok(())
    }

    /// What a person told and did under one of its ids, in groups.
    pub(super) async fn move_author(
        &self,
        union: &Union<'_>,
        moved: &mut Moved,
    ) -> Result<(), StoreError> {
        let touched = self.touched(union).await?;
        for ((chat, key), row_id) in touched {
            self.lock_message(row_id).await?;
            // The two ids may be two authors of one message by now: both tell it again.
            for author in [&union.other, &union.name] {
                let theirs = Cond::all()
                    .add(Expr::col(Alias::new("chat_id")).eq(chat))
                    .add(Expr::col(Alias::new("message_id")).eq(key.message_id.as_str()))
                    .add(Expr::col(Alias::new("author")).eq(author.as_str()));
                for row in self.take_claims(theirs).await? {
                    let mut telling = telling(&row, false)?;
                    let told = telling.told.into_values().map(|told| (union.name.clone(), told));
                    telling.told = told.collect();
                    moved.add(key.clone(), telling);
                }
            }
            let mut update = Query::update();
            update
                .table(Alias::new(MESSAGES))
                .values([("author", Expr::val(union.name.as_str())), ("updated_at", self.now())])
                .and_where(Expr::col(Alias::new("id")).eq(row_id))
                .and_where(Expr::col(Alias::new("author")).eq(union.other.as_str()));
            self.db.execute(&update).await?;
            moved.unsettled.insert(key);
        }
        Ok(())
    }

    /// Messages that the person wrote, claimed, edited or revoked under the other id.
    async fn touched(
        &self,
        union: &Union<'_>,
    ) -> Result<BTreeMap<(i64, MessageKey), i64>, StoreError> {
        let mut touched = BTreeMap::new();
        let [first, rest @ ..] = BY_AUTHOR;
        let mut select = by_author(first, union);
        for table in rest {
            select.union(UnionType::All, by_author(table, union));
        }
        for row in self.db.query_all(&select).await? {
            let chat_id = row.try_get("", "chat_name")?;
            let chat = ChatKey { session: union.session.clone(), chat_id };
            let key = MessageKey { chat, message_id: row.try_get("", "message_id")? };
            touched.insert((row.try_get("", "chat_id")?, key), row.try_get("", "row_id")?);
        }
        Ok(touched)
    }

    /// Others may be settling the message: its row is what they lock.
    async fn lock_message(&self, row_id: i64) -> Result<(), StoreError> {
        let backend = self.db.get_database_backend();
        if backend == DbBackend::Sqlite {
            return Ok(());
        }
        let mut select = Query::select();
        select
            .column(Alias::new("id"))
            .from(Alias::new(MESSAGES))
            .and_where(Expr::col(Alias::new("id")).eq(row_id));
        let mut statement = backend.build(&select);
        statement.sql.push_str(" FOR UPDATE");
        self.db.query_all_raw(statement).await?;
        Ok(())
    }

    /// Reads claims and takes them away.
    async fn take_claims(&self, which: Cond) -> Result<Vec<QueryResult>, StoreError> {
        let mut select = Query::select();
        select.column(Asterisk).from(Alias::new(CLAIMS)).cond_where(which);
        let rows = self.db.query_all(&select).await?;
        let ids: Vec<i64> =
            rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
        if !ids.is_empty() {
            self.delete(CLAIMS, ids).await?;
        }
        Ok(rows)
    }

    async fn delete(&self, table: &'static str, ids: Vec<i64>) -> Result<(), StoreError> {
        let mut delete = Query::delete();
        delete.from_table(Alias::new(table)).and_where(Expr::col(Alias::new("id")).is_in(ids));
        self.db.execute(&delete).await?;
        Ok(())
    }

    /// Whether a message's row depends on more than its owner's tellings, after a union: two
    /// authors that are one do not contest it any more.
    pub(in crate::store) async fn recount(
        &self,
        chat: i64,
        message_id: &str,
    ) -> Result<(), StoreError> {
        let exists = |table: &str| {
            let same =
                "x.chat_id = waha_messages.chat_id AND x.message_id = waha_messages.message_id";
            format!("EXISTS (SELECT 1 FROM {table} x WHERE {same})")
        };
        let any = BY_AUTHOR[1..].iter().map(|table| exists(table)).collect::<Vec<_>>().join(" OR ");
        let mut update = Query::update();
        update
            .table(Alias::new(MESSAGES))
            .value("is_amended", Expr::cust(format!("CASE WHEN {any} THEN TRUE ELSE FALSE END")))
            .and_where(Expr::col(Alias::new("chat_id")).eq(chat))
            .and_where(Expr::col(Alias::new("message_id")).eq(message_id));
        self.db.execute(&update).await?;
        Ok(())
    }
}

impl Union<'_> {
    /// The chat with the person.
    fn chat(&self) -> ChatKey {
        let session: &SessionKey = self.session;
        ChatKey { session: session.clone(), chat_id: self.name.clone() }
    }
}

/// What a row holds, as it was told.
fn telling(row: &QueryResult, is_message: bool) -> Result<MessageChange, StoreError> {
    let edited = is_message && row.try_get::<i64>("", "edited_version")? > 0;
    let told = claim::read(row, if edited { "original_content" } else { "content" })?;
    let rank = if is_message { row.try_get("", "status_rank")? } else { -1 };
    let status = MessageStatus::of_rank(rank);
    Ok(MessageChange { told: told.into_iter().collect(), status })
}

/// A column of a table under another name.
fn of(table: &'static str, column: &'static str) -> Expr {
    Expr::col((Alias::new(table), Alias::new(column)))
}

/// Rows of one chat whose message has a row in the other.
fn meeting(from: i64, to: i64) -> SelectStatement {
    let same = of("there", "message_id").eq(of("moving", "message_id"));
    let mut select = Query::select();
    select
        .column((Alias::new("moving"), Asterisk))
        .from_as(Alias::new(MESSAGES), Alias::new("moving"))
        .join_as(
            JoinType::InnerJoin,
            Alias::new(MESSAGES),
            Alias::new("there"),
            same.and(of("there", "chat_id").eq(to)),
        )
        .and_where(of("moving", "chat_id").eq(from));
    select
}

/// Messages of a session to which the other id did something, by one table.
fn by_author(table: &'static str, union: &Union<'_>) -> SelectStatement {
    let row = of("row", "chat_id").eq(of("did", "chat_id"));
    let row = row.and(of("row", "message_id").eq(of("did", "message_id")));
    let mut select = Query::select();
    select
        .expr_as(of("row", "id"), Alias::new("row_id"))
        .expr_as(of("chat", "chat_id"), Alias::new("chat_name"))
        .expr(of("did", "chat_id"))
        .expr(of("did", "message_id"))
        .from_as(Alias::new(table), Alias::new("did"))
        .join_as(
            JoinType::InnerJoin,
            Alias::new("waha_chats"),
            Alias::new("chat"),
            of("chat", "id").eq(of("did", "chat_id")),
        )
        .join_as(JoinType::InnerJoin, Alias::new(MESSAGES), Alias::new("row"), row)
        .and_where(of("chat", "session_id").eq(union.session_id))
        .and_where(of("did", "author").eq(union.other.as_str()))
        .and_where(indexed("did.author"));
    select
}

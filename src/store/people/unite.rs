//! Makes two people one: everything of the one moves to the other, whose name sorts first.
//!
//! Called by `name_people` for links that are news. Nothing is ever taken apart again: ids that links
//! join are one person for good, however many there are, so the order of links makes no
//! difference.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, Value};

use super::Standing;
use super::messages::Moved;
use crate::change::person::is_lid;
use crate::change::{ChatChange, ChatKey, Link, PersonKey, SessionKey};
use crate::store::ids::Known;
use crate::store::relocate::{BY_CHAT, BY_PERSON, Place};
use crate::store::rows::{chat, contact};
use crate::store::write::Writer;
use crate::store::{StoreError, StoreError::Vanished, select};

/// How often others may unite the same people while we wait for their locks.
const ROUNDS_MAX: usize = 16;

/// Two who are one: `other` is from now on known as `name`.
pub(super) struct Union<'a> {
    pub(super) session: &'a SessionKey,
    pub(super) session_id: i64,
    pub(super) name: String,
    pub(super) other: String,
}

impl Writer<'_> {
    /// Unites the ends of a link, if they are not one person already.
    pub(super) async fn unite(
        &self,
        link: &Link,
        known: &Known,
        standing: &mut Standing,
        moved: &mut Moved,
    ) -> Result<(), StoreError> {
        let session_id = known.session(&link.session)?;
        let ends = link.ends();
        for _ in 0..ROUNDS_MAX {
            let names = ends.each_ref().map(|end| standing.get(end).cloned());
            let [Some(one), Some(other)] = names else { return Err(Vanished(contact::TABLE)) };
            if one == other {
                return Ok(());
            }
            let (name, other) = if rank(&one) < rank(&other) { (one, other) } else { (other, one) };
            let union = Union { session: &link.session, session_id, name, other };
            if self.hold(&union, standing).await? {
                moved.follow(&union);
                self.join(&union, moved).await?;
                follow(standing, union.session, &union.other, &union.name);
                return Ok(());
            }
        }
        Err(Vanished(contact::TABLE))
    }

    /// Locks both. False if somebody else united one of them meanwhile: then `standing` knows.
    async fn hold(&self, union: &Union<'_>, standing: &mut Standing) -> Result<bool, StoreError> {
        let mut both = [&union.name, &union.other].map(|jid| {
            (union.session_id, PersonKey { session: union.session.clone(), jid: jid.clone() })
        });
        both.sort_unstable();
        let now = self.exclude(&both).await?;
        if now.len() < both.len() {
            return Err(Vanished(contact::TABLE));
        }
        let mut stand = true;
        for (key, name) in now.into_iter().filter(|(key, name)| key.jid != *name) {
            follow(standing, union.session, &key.jid, &name);
            stand = false;
        }
        if stand {
            self.hold_members(union).await?;
        }
        Ok(stand)
    }

    /// Locks all ids of both, also those that turn up meanwhile: whoever writes under one of them
    /// has then committed.
    async fn hold_members(&self, union: &Union<'_>) -> Result<(), StoreError> {
        let names = [&union.name, &union.other].map(|name| (union.session_id, name.clone()));
        let mut held = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let mut members = BTreeSet::new();
            for row in select::members(self.db, &names).await? {
                let jid = row.try_get("", "jid")?;
                members
                    .insert((union.session_id, PersonKey { session: union.session.clone(), jid }));
            }
            if members.is_subset(&held) {
                return Ok(());
            }
            self.exclude(&members.iter().cloned().collect::<Vec<_>>()).await?;
            held = members;
        }
        Err(Vanished(contact::TABLE))
    }

    async fn join(&self, union: &Union<'_>, moved: &mut Moved) -> Result<(), StoreError> {
        self.join_contacts(union).await?;
        let members = self.tell_lids(&[(union.session_id, union.name.clone())]).await?;
        let members: Vec<String> = members.into_iter().map(|member| member.jid).collect();
        self.join_chats(union, &members, moved).await?;
        self.move_author(union, moved).await?;
        let places = BY_PERSON.map(|(upsert, column)| {
            let (from, to) = (union.other.as_str().into(), union.name.as_str().into());
            let upsert = upsert(self.dialect);
            Place { upsert, column, from, to, session_id: Some(union.session_id) }
        });
        self.relocate(&places).await
    }

    async fn join_contacts(&self, union: &Union<'_>) -> Result<(), StoreError> {
        let other = self.row_id(contact::TABLE, "jid", union.session_id, &union.other).await?;
        let other = other.ok_or(Vanished(contact::TABLE))?;
        let upsert = contact::upsert(self.dialect);
        self.copy(&upsert, "jid", &Value::from(union.name.as_str()), &[other]).await?;
        self.empty(contact::TABLE, &contact::EMPTIED, other).await?;
        // One statement per index: a statement over both would lock rows that it only looks at.
        for column in ["jid", "phone"] {
            let mut update = Query::update();
            update
                .table(Alias::new(contact::TABLE))
                .values([("phone", Expr::val(union.name.as_str())), ("updated_at", self.now())])
                .and_where(Expr::col(Alias::new("session_id")).eq(union.session_id))
                .and_where(Expr::col(Alias::new(column)).eq(union.other.as_str()));
            self.db.execute(&update).await?;
        }
        Ok(())
    }

    /// One conversation: the row under the person's name has everything, the others point to it.
    async fn join_chats(
        &self,
        union: &Union<'_>,
        members: &[String],
        moved: &mut Moved,
    ) -> Result<(), StoreError> {
        let other = self.row_id(chat::TABLE, "chat_id", union.session_id, &union.other).await?;
        if let Some(other) = other {
            let upsert = chat::upsert(self.dialect);
            let name = Value::from(union.name.as_str());
            self.copy(&upsert, "chat_id", &name, &[other]).await?;
            self.empty(chat::TABLE, &chat::EMPTIED, other).await?;
        }
        let name = self.row_id(chat::TABLE, "chat_id", union.session_id, &union.name).await?;
        let Some(name) = name else { return Ok(()) };
        self.make_chats(union, members).await?;
        self.point_to(union.session_id, members, name).await?;
        if let Some(other) = other {
            self.move_messages(union, (other, name), moved).await?;
            let places = BY_CHAT.map(|upsert| {
                let (upsert, from, to) = (upsert(self.dialect), other.into(), name.into());
                Place { upsert, column: "chat_id", from, to, session_id: None }
            });
            self.relocate(&places).await?;
        }
        Ok(())
    }

    /// A conversation has a row for each phone number of its person.
    async fn make_chats(&self, union: &Union<'_>, members: &[String]) -> Result<(), StoreError> {
        let mut phones: Vec<&String> =
            members.iter().filter(|jid| !is_lid(jid) && **jid != union.name).collect();
        phones.sort_unstable();
        let row = |jid: &String| {
            let key = ChatKey { session: union.session.clone(), chat_id: jid.clone() };
            chat::row(union.session_id, &key, &ChatChange::default(), self.now)
        };
        let rows = phones.into_iter().map(row).collect();
        Ok(chat::upsert(self.dialect).run(self.db, rows).await?)
    }

    async fn point_to(
        &self,
        session_id: i64,
        members: &[String],
        conversation: i64,
    ) -> Result<(), StoreError> {
        let mut update = Query::update();
        update
            .table(Alias::new(chat::TABLE))
            .values([("merged_into", Expr::val(conversation)), ("updated_at", self.now())])
            .and_where(Expr::col(Alias::new("session_id")).eq(session_id))
            .and_where(Expr::col(Alias::new("chat_id")).is_in(members.iter().map(String::as_str)))
            .and_where(Expr::col(Alias::new("id")).ne(conversation));
        self.db.execute(&update).await?;
        Ok(())
    }

    async fn row_id(
        &self,
        table: &'static str,
        column: &'static str,
        session_id: i64,
        jid: &str,
    ) -> Result<Option<i64>, StoreError> {
        let mut select = Query::select();
        select
            .column(Alias::new("id"))
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new("session_id")).eq(session_id))
            .and_where(Expr::col(Alias::new(column)).eq(jid));
        let row = self.db.query_one(&select).await?;
        Ok(row.map(|row| row.try_get("", "id")).transpose()?)
    }

    /// The time of writing, as an expression.
    pub(in crate::store) fn now(&self) -> Expr {
        Expr::val(self.dialect.bind(self.now.into()))
    }
}

/// A phone id stands before a LID; else the one that sorts first.
fn rank(jid: &str) -> (bool, &str) {
    (is_lid(jid), jid)
}

/// Whoever was known as `old` is now known as `name`.
fn follow(standing: &mut Standing, session: &SessionKey, old: &str, name: &str) {
    for (key, known_as) in standing.iter_mut() {
        if key.session == *session && known_as == old {
            name.clone_into(known_as);
        }
    }
}

//! Chats and messages that turned out to be other ones, and point to those (`merged_into`).
//!
//! A chat that points nowhere is a conversation of its own. An emptied message (`is_stub`) has nothing of its own,
//! so it leads to one that has, or nowhere.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, JoinType, Query};
use sea_orm::{ConnectionTrait, Order};

use super::chain::{ChainEnd, follow};
use super::{Fault, MendedPage, ROWS_MAX, Remedy, RepairFinding, add_finding};
use crate::change::person::is_lid;
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_rows;
use crate::store::tables::{chat, message};
use crate::store::{Store, audit};

const MERGED_INTO: &str = "merged_into";
const CHATS: &str = chat::TABLE;
const MESSAGES: &str = "waha_messages";

/// A message's row that points to another one.
const MERGED_MESSAGES: FollowedTable =
    FollowedTable { kind: ChangeKind::MessageMerged, ..message::FOLLOWED };

/// Whose rows point to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointerTable {
    Chats,
    Messages,
}

/// A row on the way.
struct PointerRow {
    session_id: i64,
    /// What WhatsApp calls it.
    name: String,
    merged_into: Option<i64>,
    /// Whether it has something of its own.
    is_full: bool,
}

/// Rows with all that they lead to.
struct PointerRows {
    table: PointerTable,
    rows: BTreeMap<i64, PointerRow>,
    /// By session and id, where each leads: so what is of another session is not there.
    leads: BTreeMap<(i64, i64), Option<(i64, i64)>>,
    /// Of a chat the one with the same person, by the name that stands for that; and whether it points nowhere.
    conversations: BTreeMap<i64, (i64, bool)>,
}

/// What is done with a pointer.
#[derive(Debug, PartialEq, Eq)]
struct MendedPointer {
    id: i64,
    seen: i64,
    fault: Fault,
    to: Option<i64>,
}

impl PointerTable {
    pub(super) const ALL: [Self; 2] = [Self::Chats, Self::Messages];

    fn name(self) -> &'static str {
        match self {
            Self::Chats => CHATS,
            Self::Messages => MESSAGES,
        }
    }

    pub(super) fn place(self) -> String {
        format!("{}.{MERGED_INTO}", self.name())
    }

    /// What WhatsApp calls a row, and whether it is empty.
    fn columns(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Chats => ("chat_id", None),
            Self::Messages => ("message_id", Some("is_stub")),
        }
    }

    /// A change of rows that lead somewhere, and of those that lead nowhere.
    fn followed(self) -> [&'static FollowedTable; 2] {
        match self {
            Self::Chats => [&chat::FOLLOWED_POINTERS, &chat::FOLLOWED],
            Self::Messages => [&MERGED_MESSAGES, &message::FOLLOWED],
        }
    }
}

impl Store {
    pub(super) async fn findings_of(
        &self,
        table: PointerTable,
    ) -> Result<Vec<RepairFinding>, StoreError> {
        let (mut found, mut after) = (Vec::new(), i64::MIN);
        loop {
            let db = &self.pool().db;
            let ids = broken(db, table, after).await?;
            let Some(last) = ids.last() else { return Ok(found) };
            after = *last;
            let rows = PointerRows::read(db, table, &ids).await?;
            for MendedPointer { id, fault, .. } in rows.mended(&ids) {
                add_finding(&mut found, table.place(), (fault, Remedy::Lead), id);
            }
        }
    }

    pub(super) async fn mend_pointers(
        &self,
        table: PointerTable,
        after: i64,
        log: i64,
    ) -> Result<Option<MendedPage>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let ids = broken(&db, table, after).await?;
        let Some(after) = ids.last().copied() else {
            db.rollback().await?;
            return Ok(None);
        };
        let context = self.write_context(&db);
        lock_rows(&db, table.name(), &ids).await?;
        // Read under the locks: somebody may have mended it meanwhile.
        let mended = PointerRows::read(&db, table, &ids).await?.mended(&ids);
        write(&context, table, &mended).await?;
        let rows = mended.len() as u64;
        audit::count(&db, log, rows).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(Some(MendedPage { after, rows }))
    }
}

/// Rows that point to nothing, or to a row that points on, by their ids.
async fn broken(
    db: &impl ConnectionTrait,
    table: PointerTable,
    after: i64,
) -> Result<Vec<i64>, StoreError> {
    let of = |alias: &'static str, column: &'static str| {
        Expr::col((Alias::new(alias), Alias::new(column)))
    };
    let there = of("there", "id")
        .eq(of("here", MERGED_INTO))
        .and(of("there", "session_id").eq(of("here", "session_id")));
    let is_broken = of("there", "id").is_null().or(of("there", MERGED_INTO).is_not_null());
    let mut select = Query::select();
    select
        .column((Alias::new("here"), Alias::new("id")))
        .from_as(Alias::new(table.name()), Alias::new("here"))
        .join_as(JoinType::LeftJoin, Alias::new(table.name()), Alias::new("there"), there)
        .and_where(of("here", MERGED_INTO).is_not_null())
        .and_where(of("here", "id").gt(after))
        .and_where(is_broken)
        .order_by((Alias::new("here"), Alias::new("id")), Order::Asc)
        .limit(ROWS_MAX);
    let rows = db.query_all(&select).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

async fn write(
    context: &WriteContext<'_>,
    table: PointerTable,
    mended: &[MendedPointer],
) -> Result<(), StoreError> {
    for MendedPointer { id, seen, to, .. } in mended {
        let mut update = Query::update();
        update
            .table(Alias::new(table.name()))
            .values([(MERGED_INTO, Expr::val(*to)), ("updated_at", context.now_value())])
            .and_where(Expr::col(Alias::new("id")).eq(*id))
            .and_where(Expr::col(Alias::new(MERGED_INTO)).eq(*seen));
        context.db.execute(&update).await?;
    }
    for (followed, leads) in table.followed().into_iter().zip([true, false]) {
        let ids = mended.iter().filter(|it| it.to.is_some() == leads).map(|it| it.id);
        let mut which = Cond::all().add(Expr::col(Alias::new("id")).is_in(ids));
        // Nobody was shown a stub.
        if let (_, Some(is_empty)) = table.columns()
            && !leads
        {
            which = which.add(Expr::col(Alias::new(is_empty)).eq(false));
        }
        context.log_written(followed, which).await?;
    }
    Ok(())
}

impl PointerRows {
    /// Reads these rows, and whatever they lead to.
    async fn read(
        db: &impl ConnectionTrait,
        table: PointerTable,
        ids: &[i64],
    ) -> Result<Self, StoreError> {
        let (rows, leads, conversations) = Default::default();
        let mut read = Self { table, rows, leads, conversations };
        let mut wanted: BTreeSet<i64> = ids.iter().copied().collect();
        while !wanted.is_empty() {
            let new = read.read_rows(db, &wanted).await?;
            let is_new = |id: &i64| !read.rows.contains_key(id) && !wanted.contains(id);
            wanted = new.into_iter().filter(is_new).collect();
        }
        if table == PointerTable::Chats {
            read.read_conversations(db).await?;
        }
        Ok(read)
    }

    /// Returns where they lead.
    async fn read_rows(
        &mut self,
        db: &impl ConnectionTrait,
        ids: &BTreeSet<i64>,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let (name, is_empty) = self.table.columns();
        let mut select = Query::select();
        select
            .columns(["id", "session_id", name, MERGED_INTO].map(Alias::new))
            .from(Alias::new(self.table.name()))
            .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()));
        if let Some(is_empty) = is_empty {
            select.column(Alias::new(is_empty));
        }
        let mut led_to = BTreeSet::new();
        for row in db.query_all(&select).await? {
            let id: i64 = row.try_get("", "id")?;
            let is_empty = is_empty.map(|column| row.try_get("", column)).transpose()?;
            let found = PointerRow {
                session_id: row.try_get("", "session_id")?,
                name: row.try_get("", name)?,
                merged_into: row.try_get("", MERGED_INTO)?,
                is_full: is_empty != Some(true),
            };
            led_to.extend(found.merged_into);
            let session = found.session_id;
            self.leads.insert((session, id), found.merged_into.map(|to| (session, to)));
            self.rows.insert(id, found);
        }
        Ok(led_to)
    }

    async fn read_conversations(&mut self, db: &impl ConnectionTrait) -> Result<(), StoreError> {
        let of = |alias: &'static str, column: &'static str| {
            Expr::col((Alias::new(alias), Alias::new(column)))
        };
        let session = |alias| of(alias, "session_id").eq(of("chat", "session_id"));
        let person = session("person").and(of("person", "jid").eq(of("chat", "chat_id")));
        let there = session("there").and(of("there", "chat_id").eq(of("person", "phone")));
        let mut select = Query::select();
        select
            .expr_as(of("chat", "id"), Alias::new("id"))
            .expr_as(of("there", "id"), Alias::new("there_id"))
            .expr_as(of("there", MERGED_INTO), Alias::new("there_into"))
            .from_as(Alias::new(CHATS), Alias::new("chat"))
            .join_as(JoinType::InnerJoin, Alias::new("waha_contacts"), Alias::new("person"), person)
            .join_as(JoinType::InnerJoin, Alias::new(CHATS), Alias::new("there"), there)
            .and_where(of("chat", "id").is_in(self.rows.keys().copied()))
            .and_where(of("there", "id").ne(of("chat", "id")));
        for row in db.query_all(&select).await? {
            let points_on: Option<i64> = row.try_get("", "there_into")?;
            let there = (row.try_get("", "there_id")?, points_on.is_none());
            self.conversations.insert(row.try_get("", "id")?, there);
        }
        Ok(())
    }

    fn mended(&self, ids: &[i64]) -> Vec<MendedPointer> {
        ids.iter().filter_map(|id| self.mended_row(*id)).collect()
    }

    /// What becomes of a row; none if nothing is wrong with it.
    fn mended_row(&self, id: i64) -> Option<MendedPointer> {
        let row = self.rows.get(&id)?;
        let seen = row.merged_into?;
        let start = (row.session_id, id);
        let (fault, to) = match follow(&start, &self.leads) {
            ChainEnd::Row(_, 0 | 1) => return None,
            ChainEnd::Row((_, end), _) => (Fault::Pointer, Some(end)),
            ChainEnd::Nothing(last) if last == start => (Fault::Nothing, self.end_of(id)),
            ChainEnd::Nothing((_, last)) => (Fault::Pointer, self.end_of(last)),
            ChainEnd::Circle(members) => {
                let fault = if members.contains(&start) { Fault::Circle } else { Fault::Pointer };
                (fault, self.end_among(members.into_iter().map(|(_, id)| id)))
            }
        };
        Some(MendedPointer { id, seen, fault, to: to.filter(|to| *to != id) })
    }

    /// Where the last row of a chain that leads to nothing is to lead, or itself.
    fn end_of(&self, last: i64) -> Option<i64> {
        if self.table == PointerTable::Messages {
            return self.is_full(last).then_some(last);
        }
        let conversation = self.conversations.get(&last).filter(|(_, is_end)| *is_end);
        Some(conversation.map_or(last, |(id, _)| *id))
    }

    /// Of rows that lead to one another the one that all are to lead to: the conversation with the person, if
    /// that is known, else the one by whose name a person would be known; of messages the first that has content.
    fn end_among(&self, members: impl Iterator<Item = i64>) -> Option<i64> {
        let members: BTreeSet<i64> = members.collect();
        if self.table == PointerTable::Messages {
            return members.into_iter().find(|id| self.is_full(*id));
        }
        let known = members.iter().filter_map(|id| self.conversations.get(id));
        let known = known.filter(|(id, is_end)| *is_end || members.contains(id));
        // One outside of the circle first.
        let known = known.max_by_key(|(id, is_end)| (*is_end, std::cmp::Reverse(*id)));
        let rank = |id: &i64| self.rows.get(id).map(|row| (is_lid(&row.name), row.name.clone()));
        known.map(|(id, _)| *id).or_else(|| members.into_iter().min_by_key(rank))
    }

    fn is_full(&self, id: i64) -> bool {
        self.rows.get(&id).is_some_and(|row| row.is_full)
    }
}

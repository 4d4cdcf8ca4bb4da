//! Moves rows from one key to another; rows that meet merge by the rules of their table's upsert.
//!
//! Called when two ids turn out to be one person. Rows that meet nothing keep their ids. Invariant:
//! nobody else writes rows under either key meanwhile (`people` holds the locks).

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, InsertStatement, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, Value};

use crate::store::connect::transaction::WriteContext;
use crate::store::feed::FollowedTable;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::MergeRules;
use crate::store::tables::chat;

/// Which of the rows that have a key move.
#[derive(Clone, Copy)]
pub(in crate::store) enum MoveScope<'a> {
    All,
    /// Those of these messages, by their bare ids.
    Messages(&'a [String]),
    /// Those with these ids.
    Rows(&'a [i64]),
}

impl MoveScope<'_> {
    /// On a table, or what it is called in the statement.
    pub(super) fn cond(self, table: &'static str) -> Cond {
        let column = |name: &'static str| Expr::col((Alias::new(table), Alias::new(name)));
        match self {
            Self::All => Cond::all().add(Expr::cust("1 = 1")),
            Self::Messages(ids) => {
                Cond::all().add(column("message_id").is_in(ids.iter().map(String::as_str)))
            }
            Self::Rows(ids) => Cond::all().add(column("id").is_in(ids.iter().copied())),
        }
    }

    /// The same of rows that these may meet where they move to. Said as well, because there may be a million.
    pub(super) fn met(self, table: &'static str) -> Cond {
        match self {
            Self::Messages(_) => self.cond(table),
            Self::All | Self::Rows(_) => Self::All.cond(table),
        }
    }
}

/// From where to where.
pub(in crate::store) struct KeyMove<'a> {
    pub(in crate::store) rules: MergeRules,
    /// The column that changes.
    pub(in crate::store) column: &'static str,
    pub(in crate::store) from: Value,
    pub(in crate::store) to: Value,
    /// Which of them.
    pub(in crate::store) scope: MoveScope<'a>,
    /// Only rows in chats of this session.
    pub(in crate::store) session_id: Option<i64>,
    /// What applications follow of it.
    pub(in crate::store) followed: Option<FollowedTable>,
}

/// Moves all rows of several moves, most of which are empty: one question finds the others.
pub(in crate::store) async fn move_keys(
    context: &WriteContext<'_>,
    moves: &[KeyMove<'_>],
) -> Result<(), StoreError> {
    let name = |number: usize| format!("move{number}");
    let mut select = Query::select();
    for (number, key_move) in moves.iter().enumerate() {
        select.expr_as(Expr::exists(key_move.rows()), Alias::new(name(number)));
    }
    let Some(row) = context.db.query_one(&select).await? else { return Ok(()) };
    for (number, key_move) in moves.iter().enumerate() {
        if row.try_get("", &name(number))? {
            move_key(context, key_move).await?;
        }
    }
    Ok(())
}

async fn move_key(context: &WriteContext<'_>, key_move: &KeyMove<'_>) -> Result<(), StoreError> {
    if let Some(followed) = &key_move.followed {
        // Also those that are about to go: whoever reads them finds nothing.
        let mut moving = Query::select();
        moving
            .columns(followed.columns().map(Alias::new))
            .from(Alias::new(key_move.rules.table))
            .cond_where(key_move.which(&key_move.from));
        context.log.add(followed, &context.db.query_all(&moving).await?)?;
    }
    let meeting = colliding_ids(context, key_move).await?;
    if !meeting.is_empty() {
        copy_rows(context, &key_move.rules, key_move.column, &key_move.to, &meeting).await?;
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(key_move.rules.table))
            .and_where(Expr::col(Alias::new("id")).is_in(meeting));
        context.db.execute(&delete).await?;
    }
    let mut update = Query::update();
    update
        .table(Alias::new(key_move.rules.table))
        .values([
            (key_move.column, Expr::val(key_move.to.clone())),
            ("updated_at", context.now_value()),
        ])
        .cond_where(key_move.which(&key_move.from));
    context.db.execute(&update).await?;
    if let Some(followed) = &key_move.followed {
        context.log_written(followed, key_move.which(&key_move.to)).await?;
    }
    Ok(())
}

/// Ids of the rows whose key is taken where they move to.
async fn colliding_ids(
    context: &WriteContext<'_>,
    key_move: &KeyMove<'_>,
) -> Result<Vec<i64>, StoreError> {
    let (moving, there) = (Alias::new("moving"), Alias::new("there"));
    let key = &key_move.rules.key;
    if !key.contains(&key_move.column) {
        return Ok(Vec::new());
    }
    let mut same = Expr::col((there.clone(), Alias::new(key_move.column))).eq(key_move.to.clone());
    for column in key.iter().filter(|column| **column != key_move.column) {
        let column = Alias::new(*column);
        let moving = Expr::col((moving.clone(), column.clone()));
        same = same.and(Expr::col((there.clone(), column)).eq(moving));
    }
    let table = Alias::new(key_move.rules.table);
    let mut select = Query::select();
    select
        .column((moving.clone(), Alias::new("id")))
        .from_as(table.clone(), moving.clone())
        .join_as(sea_orm::sea_query::JoinType::InnerJoin, table, there, same)
        .and_where(
            Expr::col((moving.clone(), Alias::new(key_move.column))).eq(key_move.from.clone()),
        )
        .cond_where(key_move.scope.cond("moving"))
        .cond_where(key_move.scope.met("there"));
    if let Some(session_id) = key_move.session_id {
        let chat = Expr::col((moving, Alias::new("chat_id")));
        select
            .and_where(chat.in_subquery(chats_of(session_id)))
            .and_where(indexed(&format!("moving.{}", key_move.column)));
    }
    let rows = context.db.query_all(&select).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Tells again, under another key, what the rows with these ids hold.
pub(in crate::store) async fn copy_rows(
    context: &WriteContext<'_>,
    rules: &MergeRules,
    column: &'static str,
    to: &Value,
    ids: &[i64],
) -> Result<(), StoreError> {
    let value = |name: &str| match name {
        _ if name == column => Expr::val(to.clone()),
        "updated_at" => context.now_value(),
        _ => Expr::col(Alias::new(name)),
    };
    // Names of its own, or MySQL could not tell the rows apart in the merge rules.
    let mut rows = Query::select();
    for (place, name) in rules.columns.iter().enumerate() {
        rows.expr_as(value(name), Alias::new(format!("c{place}")));
    }
    rows.from(Alias::new(rules.table))
        .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()));
    let mut all = Query::select();
    let source = Alias::new("moving");
    for place in 0..rules.columns.len() {
        all.column((source.clone(), Alias::new(format!("c{place}"))));
    }
    // SQLite would take ON CONFLICT for a join without a condition before it.
    all.from_subquery(rows, source).and_where(Expr::val(1).eq(1));
    let mut insert = InsertStatement::new();
    insert
        .into_table(Alias::new(rules.table))
        .columns(rules.columns.iter().map(|column| Alias::new(*column)));
    insert.select_from(all).expect("as many values as columns");
    let mut statement = context.dialect.backend().build(&insert);
    statement.sql.push_str(&format!(" {}", rules.conflict));
    context.db.execute_raw(statement).await?;
    Ok(())
}

/// Sets columns of a row.
pub(in crate::store) async fn update_row<E: EntityTrait>(
    context: &WriteContext<'_>,
    columns: E::ActiveModel,
    id: i64,
) -> Result<(), StoreError> {
    let is_row = Expr::col(Alias::new("id")).eq(id);
    E::update_many().set(columns).filter(is_row).exec(context.db).await?;
    Ok(())
}

impl KeyMove<'_> {
    /// The rows that are to be moved, whichever they are: of most tables there are none.
    fn rows(&self) -> SelectStatement {
        let mut select = Query::select();
        select
            .expr(Expr::val(1))
            .from(Alias::new(self.rules.table))
            .cond_where(self.any(&self.from));
        select
    }

    /// Those of the scope with this in the column.
    fn which(&self, value: &Value) -> Cond {
        self.any(value).add(self.scope.cond(self.rules.table))
    }

    /// The rows with this in the column.
    fn any(&self, value: &Value) -> Cond {
        let moving = Expr::col(Alias::new(self.column)).eq(value.clone());
        let which = Cond::all().add(moving);
        let Some(session_id) = self.session_id else { return which };
        let chats = Expr::col(Alias::new("chat_id")).in_subquery(chats_of(session_id));
        which.add(chats).add(indexed(self.column))
    }
}

/// The indexes of people leave these two out. With a parameter no database can know that the person
/// asked for is neither, so it is said, word for word as in the indexes.
pub(in crate::store) fn indexed(column: &str) -> Expr {
    Expr::cust(format!("{column} NOT IN ('me', 'contact')"))
}

fn chats_of(session_id: i64) -> SelectStatement {
    let mut select = Query::select();
    select
        .column(Alias::new("id"))
        .from(Alias::new(chat::TABLE))
        .and_where(Expr::col(Alias::new("session_id")).eq(session_id));
    select
}

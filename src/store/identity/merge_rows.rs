//! Moves everything that is stored of one id of a person to the canonical one.
//!
//! Called by `merge`, which holds the locks.

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, Value};

use entity::{waha_chats, waha_contacts};

use super::canonical::IdentityMerge;
use super::lids::assign_lids;
use super::move_chat::move_chat;
use super::move_keys::{KeyMove, MoveScope, copy_rows, move_keys, update_row};
use super::move_messages::move_author;
use super::retold::RetoldMessages;
use crate::change::person::is_lid;
use crate::change::{ChatChange, ChatKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::sql::locks::lock_row;
use crate::store::tables::{BY_PERSON, chat, contact};

pub(super) async fn merge_rows(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    merge_contacts(context, merge).await?;
    let members = assign_lids(context, &[(merge.session_id, merge.canonical.clone())]).await?;
    let members: Vec<String> = members.into_iter().map(|member| member.jid).collect();
    merge_chats(context, merge, &members, retold).await?;
    move_author(context, merge, retold).await?;
    let moves = BY_PERSON.map(|table| {
        let (from, to) = (merge.merged.as_str().into(), merge.canonical.as_str().into());
        let (rules, column) = ((table.rules)(context.dialect), table.column);
        let followed = table.followed;
        let session_id = Some(merge.session_id);
        KeyMove { rules, column, from, to, scope: MoveScope::All, session_id, followed }
    });
    move_keys(context, &moves).await
}

async fn merge_contacts(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
) -> Result<(), StoreError> {
    let other = row_id(context, contact::TABLE, "jid", merge.session_id, &merge.merged).await?;
    let other = other.ok_or(Vanished(contact::TABLE))?;
    let rules = contact::upsert(context.dialect).rules();
    copy_rows(context, &rules, "jid", &Value::from(merge.canonical.as_str()), &[other]).await?;
    update_row::<waha_contacts::Entity>(context, contact::emptied(), other).await?;
    // One statement per index: a statement over both would lock rows that it only looks at.
    for column in ["jid", "phone"] {
        let mut update = Query::update();
        update
            .table(Alias::new(contact::TABLE))
            .values([
                ("phone", Expr::val(merge.canonical.as_str())),
                ("updated_at", context.now_value()),
            ])
            .and_where(Expr::col(Alias::new("session_id")).eq(merge.session_id))
            .and_where(Expr::col(Alias::new(column)).eq(merge.merged.as_str()));
        context.db.execute(&update).await?;
    }
    let person = Cond::all()
        .add(Expr::col(Alias::new("session_id")).eq(merge.session_id))
        .add(Expr::col(Alias::new("phone")).eq(merge.canonical.as_str()));
    Ok(context.log_written(&contact::FOLLOWED, person).await?)
}

/// One conversation: the row under the person's name has everything, the others point to it.
async fn merge_chats(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    members: &[String],
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    let other = row_id(context, chat::TABLE, "chat_id", merge.session_id, &merge.merged).await?;
    if let Some(other) = other {
        // An application's open transaction that refers to it commits before: what it wrote moves, too. On PostgreSQL
        // the update below would not wait for that.
        lock_row(context.db, chat::TABLE, other).await?;
        let rules = chat::upsert(context.dialect.into()).rules();
        let name = Value::from(merge.canonical.as_str());
        copy_rows(context, &rules, "chat_id", &name, &[other]).await?;
        update_row::<waha_chats::Entity>(context, chat::emptied(), other).await?;
    }
    let name = row_id(context, chat::TABLE, "chat_id", merge.session_id, &merge.canonical).await?;
    let Some(name) = name else { return Ok(()) };
    insert_phone_chats(context, merge, members).await?;
    point_chats_to(context, merge.session_id, members, name).await?;
    if let Some(other) = other {
        move_chat(context, merge, (other, name), retold).await?;
    }
    Ok(())
}

/// A conversation has a row for each phone number of its person.
async fn insert_phone_chats(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    members: &[String],
) -> Result<(), StoreError> {
    let mut phones: Vec<&String> =
        members.iter().filter(|jid| !is_lid(jid) && **jid != merge.canonical).collect();
    phones.sort_unstable();
    let row = |jid: &String| {
        let key = ChatKey { session: merge.session.clone(), chat_id: jid.clone() };
        chat::row(merge.session_id, &key, &ChatChange::default(), context.now)
    };
    let rows = phones.into_iter().map(row).collect();
    Ok(context.write(&chat::FOLLOWED_NEW, &chat::upsert(context.dialect.into()), rows).await?)
}

async fn point_chats_to(
    context: &WriteContext<'_>,
    session_id: i64,
    members: &[String],
    conversation: i64,
) -> Result<(), StoreError> {
    let column = |name| Expr::col(Alias::new(name));
    let elsewhere = column("merged_into").is_null().or(column("merged_into").ne(conversation));
    let others = Cond::all()
        .add(column("session_id").eq(session_id))
        .add(column("chat_id").is_in(members.iter().map(String::as_str)))
        .add(column("id").ne(conversation));
    let mut update = Query::update();
    update
        .table(Alias::new(chat::TABLE))
        .values([("merged_into", Expr::val(conversation)), ("updated_at", context.now_value())])
        .cond_where(others.clone().add(elsewhere));
    context.db.execute(&update).await?;
    context.log_written(&chat::FOLLOWED_POINTERS, others).await?;
    let conversation = Cond::all().add(column("id").eq(conversation));
    Ok(context.log_written(&chat::FOLLOWED, conversation).await?)
}

async fn row_id(
    context: &WriteContext<'_>,
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
    let row = context.db.query_one(&select).await?;
    Ok(row.map(|row| row.try_get("", "id")).transpose()?)
}

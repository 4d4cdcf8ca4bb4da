//! Who owns a message that several authors told, merged in memory by the rules of `change`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use crate::change::{Changes, Merge, MessageChange, MessageKey, Told};
use crate::store::apply::message_rows::of_messages;
use crate::store::apply::reread::Tellers;
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::tables::{claim, message};

const TABLE: &str = "waha_message_claims";

/// What each author told of a message.
pub(in crate::store::apply) type StoredTellings = HashMap<MessageKey, BTreeMap<String, Told>>;

/// Gives each message to its owner, and keeps what the others told.
pub(super) async fn resolve_claims(
    context: &WriteContext<'_>,
    changes: &Changes,
    keys: &BTreeSet<MessageKey>,
    tellers: &Tellers,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let mut tellings = stored_tellings(context, keys, known).await?;
    let (mut rows, mut claims) = (Vec::new(), Vec::new());
    for key in keys {
        let stored = tellings.remove(key).unwrap_or_default();
        let mut gone: BTreeSet<String> = stored.keys().cloned().collect();
        let mut told = changes.messages.get(key).map(|it| it.told.clone()).unwrap_or_default();
        told.merge_in(tellers.take_back(key, stored, changes));
        let (session, chat) = (known.session(&key.chat.session)?, known.chat(&key.chat)?);
        let change = MessageChange { told, ..MessageChange::default() };
        rows.push(message::row(session, chat, key, &change, true, context.now));
        let owner = change.owner().map(|(author, _)| author.to_owned());
        for (author, told) in change.told.iter().filter(|(it, _)| Some(*it) != owner.as_ref()) {
            claims.push(claim::row(chat, &key.message_id, author, told, context.now));
            gone.remove(author);
        }
        gone.extend(owner);
        delete_claims(context, chat, key, gone).await?;
    }
    context.write(&message::FOLLOWED, &message::rewrite(context.dialect), rows).await?;
    Ok(claim::upsert(context.dialect).run(context.db, claims).await?)
}

/// What is stored of these messages, in their rows and beside them.
pub(in crate::store::apply) async fn stored_tellings(
    context: &WriteContext<'_>,
    keys: &BTreeSet<MessageKey>,
    known: &KnownRows,
) -> Result<StoredTellings, StoreError> {
    let mut tellings = StoredTellings::new();
    for (table, is_message) in [("waha_messages", true), (TABLE, false)] {
        for (key, row) in of_messages(context.db, table, keys, known).await? {
            let edited = is_message && row.try_get::<i64>("", "edited_version")? > 0;
            let text = if edited { "original_content" } else { "content" };
            if let Some((author, told)) = claim::read(&row, text)? {
                let told = BTreeMap::from([(author, told)]);
                tellings.entry(key.clone()).or_default().merge_in(told);
            }
        }
    }
    Ok(tellings)
}

/// The owner's claim is in the row itself, and of some there is none any more.
async fn delete_claims(
    context: &WriteContext<'_>,
    chat_id: i64,
    key: &MessageKey,
    authors: BTreeSet<String>,
) -> Result<(), DbErr> {
    let mut delete = Query::delete();
    delete
        .from_table(Alias::new(TABLE))
        .and_where(Expr::col(Alias::new("chat_id")).eq(chat_id))
        .and_where(Expr::col(Alias::new("message_id")).eq(&key.message_id))
        .and_where(Expr::col(Alias::new("author")).is_in(authors));
    context.db.execute(&delete).await.map(drop)
}

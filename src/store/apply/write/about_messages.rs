//! Writes what is about messages: edits, revocations, answers, acks of members.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::Value;

use crate::change::{AnswerKey, Changes, EditKey, MessageKey, RevocationKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;
use crate::store::tables::{answer, edit};

/// A key that names a message.
trait AboutMessage {
    fn message(&self) -> &MessageKey;
}

impl AboutMessage for AnswerKey {
    fn message(&self) -> &MessageKey {
        &self.message
    }
}

impl AboutMessage for EditKey {
    fn message(&self) -> &MessageKey {
        &self.message
    }
}

impl AboutMessage for RevocationKey {
    fn message(&self) -> &MessageKey {
        &self.message
    }
}

/// A change as the values of its row.
type RowOf<K, V> = fn(i64, &K, &V, DateTime<Utc>) -> Vec<Value>;

/// Writes them, always in this order of tables.
pub(super) async fn write_about_messages(
    context: &WriteContext<'_>,
    changes: &Changes,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let dialect = context.dialect;
    write_rows(context, known, &changes.edits, edit::edits(dialect), edit::edit).await?;
    write_rows(context, known, &changes.revocations, edit::revocations(dialect), edit::revocation)
        .await?;
    write_rows(context, known, &changes.reactions, answer::reactions(dialect), answer::reaction)
        .await?;
    write_rows(context, known, &changes.votes, answer::votes(dialect), answer::vote).await?;
    let responses = answer::event_responses(dialect);
    write_rows(context, known, &changes.event_responses, responses, answer::event_response).await?;
    write_rows(
        context,
        known,
        &changes.member_acks,
        answer::member_acks(dialect),
        answer::member_ack,
    )
    .await
}

async fn write_rows<K: AboutMessage, V>(
    context: &WriteContext<'_>,
    known: &KnownRows,
    told: &BTreeMap<K, V>,
    upsert: Upsert,
    row: RowOf<K, V>,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(told.len());
    for (key, change) in told {
        rows.push(row(known.chat(&key.message().chat)?, key, change, context.now));
    }
    Ok(upsert.run(context.db, rows).await?)
}

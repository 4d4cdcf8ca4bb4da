//! Writes what is about messages: edits, revocations, answers, acks of members.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::Writer;
use crate::change::{AnswerKey, Changes, EditKey, MessageKey, RevocationKey};
use crate::store::StoreError;
use crate::store::ids::Known;
use crate::store::rows::{answer, edit};
use crate::store::upsert::Upsert;

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
type Row<K, V> = fn(i64, &K, &V, DateTime<Utc>) -> Vec<Value>;

impl Writer<'_> {
    /// Writes them, always in this order of tables.
    pub(super) async fn write_about_messages(
        &self,
        changes: &Changes,
        known: &Known,
    ) -> Result<(), StoreError> {
        let dialect = self.dialect;
        self.write_all(known, &changes.edits, edit::edits(dialect), edit::edit).await?;
        self.write_all(known, &changes.revocations, edit::revocations(dialect), edit::revocation)
            .await?;
        self.write_all(known, &changes.reactions, answer::reactions(dialect), answer::reaction)
            .await?;
        self.write_all(known, &changes.votes, answer::votes(dialect), answer::vote).await?;
        let responses = answer::event_responses(dialect);
        self.write_all(known, &changes.event_responses, responses, answer::event_response).await?;
        self.write_all(
            known,
            &changes.member_acks,
            answer::member_acks(dialect),
            answer::member_ack,
        )
        .await
    }

    async fn write_all<K: AboutMessage, V>(
        &self,
        known: &Known,
        told: &BTreeMap<K, V>,
        upsert: Upsert,
        row: Row<K, V>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(told.len());
        for (key, change) in told {
            rows.push(row(known.chat(&key.message().chat)?, key, change, self.now));
        }
        Ok(upsert.run(self.db, rows).await?)
    }
}

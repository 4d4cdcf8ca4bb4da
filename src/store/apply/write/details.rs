//! Writes what belongs to sessions and chats and is no message: edits, revocations, answers, acks of
//! members, calls, read marks, members, labels.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::EntityTrait;

use crate::change::{CallChange, CallKey, Changes, InChat, LabelChange, LabelKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::FollowedTable;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;
use crate::store::tables::{answer, call, edit, label, participant, read, referral};

/// How the rows of a table merge.
type UpsertOf<E> = fn(Merging) -> Upsert<E>;
/// A change in a chat as its row.
type RowOf<K, V, E> = fn(i64, &K, &V, DateTime<Utc>) -> <E as EntityTrait>::ActiveModel;

/// Writes them, always in this order of tables.
pub(super) async fn write_details(
    context: &WriteContext<'_>,
    changes: &Changes,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let Changes {
        // Written before and after by `write_changes`.
        sessions: _,
        chats: _,
        messages: _,
        own_messages: _,
        acts: _,
        contacts: _,
        links: _,
        edits,
        revocations,
        referrals,
        reactions,
        votes,
        event_responses,
        member_acks,
        calls,
        reads,
        participants,
        join_requests,
        labels,
        chat_labels,
    } = changes;
    let to = Destination { context, known };
    to.write(None, edits, edit::edits, edit::edit).await?;
    to.write(None, revocations, edit::revocations, edit::revocation).await?;
    to.write(Some(&referral::FOLLOWED), referrals, referral::upsert, referral::row).await?;
    to.write(Some(&answer::REACTIONS), reactions, answer::reactions, answer::reaction).await?;
    to.write(Some(&answer::VOTES), votes, answer::votes, answer::vote).await?;
    to.write(
        Some(&answer::EVENT_RESPONSES),
        event_responses,
        answer::event_responses,
        answer::event_response,
    )
    .await?;
    to.write(Some(&answer::MEMBER_ACKS), member_acks, answer::member_acks, answer::member_ack)
        .await?;
    to.write_calls(calls).await?;
    to.write(Some(&read::FOLLOWED), reads, read::upsert, read::row).await?;
    to.write(Some(&participant::FOLLOWED), participants, participant::upsert, participant::row)
        .await?;
    to.write(
        Some(&participant::FOLLOWED_REQUEST),
        join_requests,
        participant::upsert_request,
        participant::request_row,
    )
    .await?;
    to.write_labels(labels).await?;
    to.write(Some(&label::FOLLOWED_ON_CHAT), chat_labels, label::upsert_on_chat, label::on_chat_row)
        .await
}

/// Where rows go.
struct Destination<'a> {
    context: &'a WriteContext<'a>,
    known: &'a KnownRows,
}

impl Destination<'_> {
    /// Writes what belongs to chats; `table` if applications follow it.
    async fn write<K: InChat, V, E: EntityTrait>(
        &self,
        table: Option<&FollowedTable>,
        told: &BTreeMap<K, V>,
        upsert: UpsertOf<E>,
        row: RowOf<K, V, E>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(told.len());
        for (key, change) in told {
            rows.push(row(self.known.chat(key.chat())?, key, change, self.context.now));
        }
        let upsert = upsert(self.context.merging());
        match table {
            Some(table) => self.context.write(table, &upsert, rows).await?,
            None => upsert.run(self.context.db, rows).await?,
        }
        Ok(())
    }

    /// A call belongs to a session, and often to a chat.
    async fn write_calls(&self, calls: &BTreeMap<CallKey, CallChange>) -> Result<(), StoreError> {
        let Self { context, known } = self;
        let mut rows = Vec::with_capacity(calls.len());
        for (key, change) in calls {
            let chat = change.details.as_ref().and_then(|details| details.value.chat.as_ref());
            let chat = chat.map(|chat| known.chat(chat)).transpose()?;
            rows.push(call::row(known.session(&key.session)?, chat, key, change, context.now));
        }
        Ok(context.write(&call::FOLLOWED, &call::upsert(context.merging()), rows).await?)
    }

    async fn write_labels(
        &self,
        labels: &BTreeMap<LabelKey, LabelChange>,
    ) -> Result<(), StoreError> {
        let Self { context, known } = self;
        let mut rows = Vec::with_capacity(labels.len());
        for (key, change) in labels {
            rows.push(label::row(known.session(&key.session)?, key, change, context.now));
        }
        Ok(context.write(&label::FOLLOWED, &label::upsert(context.merging()), rows).await?)
    }
}

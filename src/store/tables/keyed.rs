//! Where a table names a chat or a person: such rows move when two ids turn out to be one person.
//!
//! Messages and their claims are not here: `identity/move_messages` tells them again.

use super::{answer, call, edit, label, participant, read, referral};
use crate::store::feed::FollowedTable;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::MergeRules;

/// How rows of a table merge, and the column by which they move.
pub(in crate::store) struct KeyedTable {
    pub(in crate::store) rules: fn(Dialect) -> MergeRules,
    pub(in crate::store) column: &'static str,
    /// None where applications don't follow the table, or another change stands for the move.
    pub(in crate::store) followed: Option<FollowedTable>,
}

/// A table by its upsert and its column, and what applications follow of it.
macro_rules! keyed {
    ($upsert:expr, $column:literal) => {
        keyed!($upsert, $column, None)
    };
    ($upsert:expr, $column:literal, $followed:expr) => {
        KeyedTable {
            rules: |dialect| $upsert(dialect.into()).rules(),
            column: $column,
            followed: $followed,
        }
    };
}

/// Tables with a chat, in column `chat_id`, that can be a person's.
pub(in crate::store) const BY_CHAT: [KeyedTable; 10] = [
    keyed!(edit::edits, "chat_id"),
    keyed!(edit::revocations, "chat_id"),
    keyed!(referral::upsert, "chat_id"),
    keyed!(answer::reactions, "chat_id"),
    keyed!(answer::votes, "chat_id"),
    keyed!(answer::event_responses, "chat_id"),
    keyed!(answer::member_acks, "chat_id"),
    keyed!(call::upsert, "chat_id"),
    keyed!(read::upsert, "chat_id"),
    keyed!(label::upsert_on_chat, "chat_id"),
];

/// Tables with a person in their key, beside the chat.
pub(in crate::store) const BY_PERSON: [KeyedTable; 10] = [
    keyed!(edit::edits, "author"),
    keyed!(edit::revocations, "author"),
    keyed!(referral::upsert, "author", Some(referral::FOLLOWED)),
    keyed!(answer::reactions, "reactor", Some(answer::REACTIONS)),
    keyed!(answer::votes, "voter", Some(answer::VOTES)),
    keyed!(answer::event_responses, "responder", Some(answer::EVENT_RESPONSES)),
    keyed!(answer::member_acks, "participant", Some(answer::MEMBER_ACKS)),
    keyed!(read::upsert, "reader", Some(read::FOLLOWED)),
    keyed!(participant::upsert, "jid", Some(participant::FOLLOWED)),
    keyed!(participant::upsert_request, "jid", Some(participant::FOLLOWED_REQUEST)),
];

//! Where a table names a chat or a person: such rows move when two ids turn out to be one person.
//!
//! Messages and their claims are not here: `identity/move_messages` tells them again.

use super::{answer, call, edit, label, participant, read, referral};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::MergeRules;

/// How rows of a table merge, and the column by which they move.
pub(in crate::store) struct KeyedTable {
    pub(in crate::store) rules: fn(Dialect) -> MergeRules,
    pub(in crate::store) column: &'static str,
}

/// A table by its upsert and its column.
macro_rules! keyed {
    ($upsert:expr, $column:literal) => {
        KeyedTable { rules: |dialect| $upsert(dialect).rules(), column: $column }
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
    keyed!(referral::upsert, "author"),
    keyed!(answer::reactions, "reactor"),
    keyed!(answer::votes, "voter"),
    keyed!(answer::event_responses, "responder"),
    keyed!(answer::member_acks, "participant"),
    keyed!(read::upsert, "reader"),
    keyed!(participant::upsert, "jid"),
    keyed!(participant::upsert_request, "jid"),
];

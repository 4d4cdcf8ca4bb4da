//! What a message shows when more than its own tellings decide about it: claims of other authors,
//! edits, revocations.
//!
//! Called by `write` after the rows of messages, edits and revocations are upserted; those upserts
//! hold the locks of the messages' rows, so nobody else resolves the same conflict meanwhile. What is
//! shown is a function of what is stored, so it does not depend on order:
//! - The author with the lowest `author_version` owns the row; the claims of all others are kept
//!   apart in `waha_message_claims`, complete, so that whoever turns out to be first can take over.
//! - The text is the newest readable edit of the owner, else what the owner told.
//! - It is revoked from the earliest revocation on that is the owner's, or verified by WhatsApp.
//! - While nobody owns it (a stub), every edit and revocation counts.
//!
//! Few messages are concerned, so this costs ordinary ones nothing.

mod claims;
mod shown;

use std::collections::{BTreeSet, HashMap};

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SimpleExpr};

use super::message_rows::{MessageOwner, message_owners, told};
use super::reread::Tellers;
use crate::change::{Changes, MessageKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;

use claims::resolve_claims;
pub(super) use claims::stored_tellings;
use shown::derive_shown;

/// Tables whose rows decide about a message, beside its own.
const AMENDING: [&str; 3] =
    ["waha_message_claims", "waha_message_edits", "waha_message_revocations"];

/// Messages that are to be resolved beside those that a batch tells of.
pub(in crate::store) struct Unresolved {
    /// Of people who were merged.
    pub(in crate::store) merged: BTreeSet<MessageKey>,
    /// Those that show what is not told any more.
    pub(in crate::store) outdated: BTreeSet<MessageKey>,
}

/// Resolves what is contested or amended in a batch, and what else is `unresolved`. Takes who owns each
/// message that was told, and tells who does then.
pub(in crate::store) async fn resolve_conflicts(
    context: &WriteContext<'_>,
    changes: &Changes,
    mut owners: HashMap<MessageKey, MessageOwner>,
    tellers: &Tellers,
    also: Unresolved,
    known: &KnownRows,
) -> Result<HashMap<MessageKey, String>, StoreError> {
    let Unresolved { mut merged, outdated } = also;
    let mut contested = contested(changes, &owners);
    contested.extend(outdated.iter().cloned());
    merged.extend(outdated);
    if !contested.is_empty() {
        resolve_claims(context, changes, &contested, tellers, known).await?;
        owners = message_owners(context.db, &told(&changes.messages), known).await?;
    }
    let mut unresolved = contested;
    unresolved.extend(amended(changes));
    unresolved
        .extend(owners.iter().filter(|(_, owner)| owner.is_amended).map(|(key, _)| key.clone()));
    for key in &merged {
        refresh_is_amended(context, known.chat(&key.chat)?, &key.message_id).await?;
    }
    unresolved.extend(merged);
    derive_shown(context, &unresolved, known).await?;
    Ok(owners.into_iter().map(|(key, owner)| (key, owner.author)).collect())
}

/// Messages that somebody told who does not own them, unless WAHA's list says so.
fn contested(
    changes: &Changes,
    owners: &HashMap<MessageKey, MessageOwner>,
) -> BTreeSet<MessageKey> {
    let is_contested = |key: &MessageKey| {
        let owner = owners.get(key).map(|owner| &owner.author);
        let mut told = changes.messages[key].told.iter();
        // What WAHA's list tells takes no message from anybody, whenever it was written.
        told.any(|(author, told)| Some(author) != owner && !told.content.version.is_backfilled())
    };
    changes.messages.keys().filter(|key| is_contested(key)).cloned().collect()
}

/// Messages that this batch edits or revokes.
pub(in crate::store) fn amended(changes: &Changes) -> BTreeSet<MessageKey> {
    let edited = changes.edits.keys().map(|key| &key.message);
    edited.chain(changes.revocations.keys().map(|key| &key.message)).cloned().collect()
}

/// Writes whether a message's row depends on more than its owner's tellings, after a merge: two
/// authors that are one do not contest it any more.
async fn refresh_is_amended(
    context: &WriteContext<'_>,
    chat: i64,
    message_id: &str,
) -> Result<(), StoreError> {
    let any = AMENDING.into_iter().fold(Condition::any(), |any, table| any.add(has_row(table)));
    let mut update = Query::update();
    update
        .table(Alias::new("waha_messages"))
        .value("is_amended", Expr::case(any, true).finally(false))
        .and_where(Expr::col(Alias::new("chat_id")).eq(chat))
        .and_where(Expr::col(Alias::new("message_id")).eq(message_id));
    context.db.execute(&update).await?;
    Ok(())
}

/// Whether a table has a row of the message at hand.
fn has_row(table: &'static str) -> SimpleExpr {
    let same = |column: &'static str| Expr::col((table, column)).equals(("waha_messages", column));
    let mut rows = Query::select();
    rows.expr(Expr::val(1)).from(table).and_where(same("chat_id")).and_where(same("message_id"));
    Expr::exists(rows)
}

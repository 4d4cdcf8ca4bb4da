//! A step of a chat whose messages move to the one that it turned out to be (`identity/move_chat`).
//!
//! Called by `chat_moves` within a transaction of its own. Locks in the order in which a batch does: people, chats,
//! the move, messages.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::write_messages;
use crate::change::{Changes, ChatKey};
use crate::store::apply::conflicts::{Unresolved, resolve_conflicts};
use crate::store::apply::reread::Tellers;
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::chats::write_chats;
use crate::store::identity::known::KnownRows;
use crate::store::identity::move_chat::{MovedRows, MovingChat, lock_move, move_next};
use crate::store::identity::people::resolve_people;
use crate::store::identity::retold::RetoldMessages;
use crate::store::sql::error::StoreError;

/// The step.
pub(in crate::store::apply) struct MoveStep {
    pub(in crate::store::apply) moving: MovingChat,
    /// The chat that it moves to.
    pub(in crate::store::apply) chat: ChatKey,
    /// What was sent later has moved.
    pub(in crate::store::apply) before: Option<DateTime<Utc>>,
}

/// Moves the next rows; none if it moves no more, or elsewhere by now, or if another worker has it. Returns the
/// ids that hold then.
pub(in crate::store::apply) async fn write_moved(
    context: &WriteContext<'_>,
    step: MoveStep,
    mut known: KnownRows,
) -> Result<(Option<MovedRows>, KnownRows), StoreError> {
    let MoveStep { moving, chat, before } = step;
    let mut changes = Changes::default();
    changes.chat(&chat);
    let (names, _, _) = resolve_people(context, &changes, &mut known).await?;
    let mut changes = changes.renamed(&names);
    write_chats(context, vec![chat.clone()], &changes.chats, &names, &mut known).await?;
    if known.chat(&chat).ok() != Some(moving.to) {
        return Ok((None, known));
    }
    let Some(moving) = lock_move(context, moving).await? else { return Ok((None, known)) };
    let mut retold = RetoldMessages::default();
    let moved = move_next(context, &chat, moving, before, &mut retold).await?;
    let merged = retold.add_to(&mut changes);
    let (owners, _) = write_messages(context, &changes, &known).await?;
    let also = Unresolved { merged, outdated: BTreeSet::new() };
    resolve_conflicts(context, &changes, owners, &Tellers::default(), also, &known).await?;
    Ok((Some(moved), known))
}

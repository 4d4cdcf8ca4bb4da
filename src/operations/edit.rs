//! Replaces the body of a dead letter by a mended one.
//!
//! Invariant: the webhook stays the one that was accepted. Its key, receipt and time are
//! kept, so a body that tells of another session or event type is refused; only what the old body
//! did not tell may be told by the new one.

use serde::de::IgnoredAny;

use crate::normalize::Rules;
use crate::operations::DryRun;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::Actor;
use crate::store::operations::dead_letter::DeadLetter;
use crate::store::{Store, StoreError};
use crate::webhook::envelope::{Envelope, EnvelopeError};

/// Why a body was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The new body is no JSON.
    #[error("the new body is no JSON: it breaks at line {line}, column {column}")]
    Broken {
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// The new body is no envelope either.
    #[error("the new body can't be used")]
    Envelope(#[from] EnvelopeError),
    /// The new body belongs to something else.
    #[error("the new body tells of {field} {told:?}, but the dead letter is of {kept:?}")]
    Other {
        /// `session` or `event`.
        field: &'static str,
        /// What the new body tells.
        told: String,
        /// What the dead letter is.
        kept: String,
    },
    /// It would be a dead letter again.
    #[error("the new body would be a dead letter again: {0}")]
    Useless(DryRun),
    /// It is replaying, replayed or discarded.
    #[error("dead letter {0} is not pending")]
    NotPending(i64),
    /// The tables could not be written.
    #[error("the body could not be replaced")]
    Store(#[from] StoreError),
}

/// Replaces the body of a pending dead letter, if the new one can be read.
pub async fn edit(
    store: &Store,
    rules: &Rules,
    letter: &DeadLetter,
    body: Vec<u8>,
    actor: &Actor,
    note: Option<&str>,
) -> Result<DryRun, EditError> {
    let reading = judge_edit(letter, &body, rules)?;
    if store.edit_letter(letter.row.id, &body, actor, note).await? {
        Ok(reading)
    } else {
        Err(EditError::NotPending(letter.row.id))
    }
}

/// Says where it breaks, which a body of hundreds of lines does not show.
fn check_json(body: &[u8]) -> Result<(), EditError> {
    let read = serde_json::from_slice::<IgnoredAny>(body);
    let broken =
        |error: serde_json::Error| EditError::Broken { line: error.line(), column: error.column() };
    read.map(drop).map_err(broken)
}

/// What the normalizer says of a new body; an error if it can't replace the old one. Changes nothing.
pub fn judge_edit(letter: &DeadLetter, body: &[u8], rules: &Rules) -> Result<DryRun, EditError> {
    check_json(body)?;
    let envelope = Envelope::read(body)?;
    let row = &letter.row;
    if row.state != DeadLetterState::Pending.name() {
        return Err(EditError::NotPending(row.id));
    }
    for (field, told, kept) in
        [("event", &envelope.event, &row.event_type), ("session", &envelope.session, &row.session)]
    {
        if !kept.is_empty() && told != kept {
            let (told, kept) = (told.clone(), kept.clone());
            return Err(EditError::Other { field, told, kept });
        }
    }
    let reading = DryRun::of(&letter.webhook_with(body.to_vec()), rules);
    if reading.succeeds() { Ok(reading) } else { Err(EditError::Useless(reading)) }
}

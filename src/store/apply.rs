//! How webhooks end: a batch is applied, or buried as dead letters, in one transaction with the ledger.
//!
//! Called by `worker`, and by `operations`, `renormalize` and `reconcile`, which apply what they read.
//!
//! Reading order: `batch`, the transaction; `backfill`, who counts what no door accepted;
//! `contacts`, the short one before it that says who exists;
//! `ledger` and `outcome`; `write` and its parts, the order in which tables are written; `own_messages`, the
//! chats that the account's own messages are in; `message_rows` and `conflicts`, what a message shows if several
//! authors, edits and revocations decide about it; `reread`, what history does not tell any more when it is read
//! again; `chat_moves`, messages that follow their chat in steps; `burial`; `halves`, for a batch that fails;
//! `listed`, what WAHA's lists of people tell, without a ledger.
//!
//! Invariant: either all of a batch is written or nothing, but who exists and who is who; writing it again
//! changes nothing. Rows are locked in one canonical order, so workers don't deadlock.
//!
//! May import `sql`, `connect`, `tables`, `identity`, `audit`, and what `store` shares.

pub mod backfill;
pub mod batch;
pub mod burial;
pub mod chat_moves;
mod conflicts;
mod contacts;
pub mod halves;
mod last_message;
pub(super) mod ledger;
pub mod listed;
mod message_rows;
pub mod outcome;
mod own_messages;
mod reread;
mod write;

//! How we speak to the databases: what they say differently, statements of many rows, and what their
//! errors mean.
//!
//! Called by every other room; knows none of our tables.
//!
//! Reading order: `dialect`; `upsert`, the SQL twin of `change/merge.rs`, with `merging`; `select`; `arrays` and `chunks`,
//! how many rows become one statement; `locks`; `error`.
//!
//! Invariant: values are bound, never part of a statement's text; what an error means for the webhooks in
//! hand is said in one table, that of `error`.
//!
//! May import no other room.

mod arrays;
pub(super) mod chunks;
pub(super) mod dialect;
pub mod error;
pub(super) mod locks;
pub(super) mod merging;
pub(super) mod select;
pub(super) mod upsert;

//! Who is who: the ids of sessions, people and chats, and what becomes of rows when two ids turn out to be
//! one person.
//!
//! Called by `apply`, within its transactions.
//!
//! Reading order: `known`, what a transaction knows of rows; `ids`, the cache of that; `canonical`, which id
//! stands for a person; `people`, how the people of a batch are locked and named, with `newcomers`, `lids`
//! and `locks`; `merge`, how two become one, with `merge_rows`, `move_keys`, `move_messages` and `retold`;
//! `move_chat`, how many messages follow in steps;
//! `chats`.
//!
//! Invariant: two ids that were one person stay one person.
//!
//! What keeps two workers from writing beside one another's merge:
//! - Everybody whom a key names has a row in `waha_contacts`. A transaction holds a share lock on
//!   it from here to its commit, and reads under that lock who stands for the person.
//! - Two ids are merged under exclusive locks on the rows that stand for both, and on all their other
//!   ids. So whoever writes under one of them has either committed, and what it wrote is moved, or
//!   waits, and then reads the new name.
//!
//! What keeps them from waiting for one another without need: who is new gets rows, and who is one
//! is merged, in a short transaction before the batch's (`apply/contacts`); names are written at the end, and
//! the share lock of PostgreSQL lets others write them meanwhile.
//!
//! Rows are locked in the order of (session, id), so workers don't deadlock, except over links that
//! are news: then the database ends one, which tries again.
//!
//! May import `sql`, `connect` and `tables`.

mod canonical;
pub(super) mod chats;
pub(super) mod ids;
pub(super) mod known;
mod lids;
mod locks;
mod merge;
mod merge_rows;
pub(super) mod move_chat;
pub(super) mod move_keys;
pub(super) mod move_messages;
mod newcomers;
pub(super) mod people;
pub(super) mod pointers;
pub(super) mod retold;

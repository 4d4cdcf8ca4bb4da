//! The feed: what a transaction changes of what applications see, in the order of commits.
//!
//! `log` gathers the changes of a transaction as its rows are written (`connect/transaction` holds it);
//! `positions` writes them as its last act, and `history` knows whether they follow what was there. Readers are
//! in `operations/feed`.
//!
//! Invariant: positions are dense and in the order of commits. The counter's row is locked from then on until
//! the commit, so nothing but the insert of the changes and the commit comes after it.
//!
//! May import `sql`.

mod history;
mod kind;
mod log;
mod positions;

pub(in crate::store) use history::{FeedPlace, renew_epoch};
pub use kind::{ChangeKind, EntityUse};
pub(in crate::store) use log::{ChangeLog, FollowedTable};
pub(in crate::store) use positions::{Followers, append};

//! The words that messages are searched by (`waha_message_words`), and the search itself.
//!
//! Called by `search_index`, which keeps the words up to date, by `cli`, which switches them on and off, and by
//! `admin`, which searches.
//!
//! **The words follow the feed**, as any application does: whoever writes messages, of whatever release and
//! configuration, need not know of them, and pays nothing. So edits, revocations, merges and deletions reach
//! them in the order of their commits, some seconds late; until then the search itself leaves out what lists
//! don't show, what was revoked, and texts that do not have the words any more.
//!
//! Invariant: who moves on does so in one transaction that first moves the row of `waha_search` on from where
//! he read it, and only then reads messages. So two at once do nothing twice, nothing goes back to an older
//! text, and a process may be killed anywhere. Fills of what was there before go the same way.

mod find;
mod step;
mod switch;
mod word_table;

use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

use entity::waha_messages;
use entity::waha_search::{Entity, Model};

use crate::search::WORDS_VERSION;
use crate::store::Store;
use crate::store::operations::feed::{Cursor, FeedState};
use crate::store::sql::error::StoreError;

pub use find::{FoundMessage, FoundPage, MessageSearch, SearchCursor};
pub use step::SearchStep;
pub use switch::SearchRefusal;

/// How the search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchState {
    /// Switched off: there are no words.
    Off,
    /// Older messages are being filled in; new ones are found.
    Filling,
    /// All messages are found.
    On,
    /// It is being switched off, or that was interrupted.
    Clearing,
}

/// How the search stands, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchStatus {
    /// How it stands.
    pub state: SearchState,
    /// Positions of the feed that it has not come to.
    pub behind: i64,
    /// While it is filling: the id of the message up to which it is.
    pub filled_to: i64,
    /// Whether a newer release made the words: this one must not go on with them.
    pub is_newer: bool,
}

impl SearchState {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Filling => "filling",
            Self::On => "on",
            Self::Clearing => "clearing",
        }
    }

    /// That of a row. What a later release may call otherwise is off to this one.
    fn of(row: &Model) -> Self {
        let all = [Self::Filling, Self::On, Self::Clearing];
        all.into_iter().find(|state| state.name() == row.state).unwrap_or(Self::Off)
    }

    /// Whether messages can be searched.
    pub fn has_words(self) -> bool {
        matches!(self, Self::Filling | Self::On)
    }
}

impl Store {
    /// How the search stands.
    pub async fn search_status(&self) -> Result<SearchStatus, StoreError> {
        let row = self.search_row().await?;
        let feed = self.feed_state().await?;
        let state = SearchState::of(&row);
        let behind = if state.has_words() { (feed.position - row.position).max(0) } else { 0 };
        let is_newer = row.words_version > WORDS_VERSION;
        Ok(SearchStatus { state, behind, filled_to: row.filled_to, is_newer })
    }

    /// The highest id of a message: up to where there is something to fill in.
    pub async fn newest_message_id(&self) -> Result<i64, StoreError> {
        use waha_messages::{Column, Entity};
        let newest = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id);
        let newest: Option<i64> = newest.limit(1).into_tuple().one(&self.pool().db).await?;
        Ok(newest.unwrap_or_default())
    }

    async fn search_row(&self) -> Result<Model, StoreError> {
        let row = Entity::find().one(&self.pool().db).await?;
        row.ok_or(StoreError::Vanished("waha_search"))
    }
}

/// Whether the words can be gone on with, or must be made anew: they are of other rules, or the feed no longer
/// has what comes next.
fn is_current(row: &Model, feed: &FeedState) -> bool {
    let cursor = Cursor { after: row.position, epoch: Some(&row.epoch) };
    row.words_version == WORDS_VERSION && feed.check(cursor).is_ok()
}

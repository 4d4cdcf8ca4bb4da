//! Moves the words on: behind the feed, and through the messages that were there before.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Cond, Expr, ExprTrait, Func};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::waha_search::{ActiveModel, Column, Entity, Model};
use entity::{waha_messages, waha_visible_messages};

use super::word_table::{self, WordRow};
use super::{SearchState, is_current};
use crate::search::{CONTENT_CHARS_MAX, WORDS_VERSION, words_of};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::feed::ChangeKind;
use crate::store::operations::feed::{ChangeFilter, Cursor};
use crate::store::sql::error::StoreError;

/// Messages of one transaction: little enough for others to write in between.
const MESSAGES_MAX: u64 = 200;
/// What changes the text of a message, or whether it is shown.
const KINDS: [ChangeKind; 6] = [
    ChangeKind::MessageUpdated,
    ChangeKind::MessageEdited,
    ChangeKind::MessageRevoked,
    ChangeKind::MessageCreated,
    ChangeKind::MessageMerged,
    ChangeKind::MessageDeleted,
];

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStep {
    /// Nobody has switched the search on, or a newer release keeps the words.
    NotOurs,
    /// There is nothing to do now.
    Idle,
    /// Something was done; there may be more.
    Moved,
    /// Another process was faster.
    Overtaken,
}

/// Which messages are looked at.
enum Which {
    /// These.
    Ids(Vec<i64>),
    /// Those above the first, up to the second id.
    Between(i64, i64),
}

impl Store {
    /// Brings the words of some messages up to date. Safe beside others who do the same, and beside workers.
    pub async fn search_step(&self) -> Result<SearchStep, StoreError> {
        let row = self.search_row().await?;
        if !SearchState::of(&row).has_words() || row.words_version > WORDS_VERSION {
            return Ok(SearchStep::NotOurs);
        }
        let feed = self.feed_state().await?;
        if !is_current(&row, &feed) {
            let again = filling_from(feed.epoch, feed.position);
            return self.move_search(&row, again, None).await;
        }
        if row.position < feed.position {
            return self.follow_feed(&row).await;
        }
        match SearchState::of(&row) {
            SearchState::Filling => self.fill(&row).await,
            _ => Ok(SearchStep::Idle),
        }
    }

    async fn follow_feed(&self, row: &Model) -> Result<SearchStep, StoreError> {
        let feed = self.feed_state().await?;
        let filter = ChangeFilter { kinds: KINDS.to_vec(), sessions: None };
        let cursor = Cursor { after: row.position, epoch: Some(&row.epoch) };
        let page = self.changes_after(&feed, cursor, &filter, MESSAGES_MAX).await?;
        // Cut off meanwhile: the next step begins anew.
        let Ok(page) = page else { return Ok(SearchStep::Moved) };
        let mut ids: Vec<i64> = page.changes.iter().map(|change| change.row_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let change = ActiveModel { position: Set(page.position), ..ActiveModel::default() };
        self.move_search(row, change, Some(Which::Ids(ids))).await
    }

    /// The next messages that were there before. Who comes meanwhile with a lower id is in the feed.
    async fn fill(&self, row: &Model) -> Result<SearchStep, StoreError> {
        use waha_messages::{Column, Entity};
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.gt(row.filled_to))
            .order_by_asc(Column::Id)
            .limit(MESSAGES_MAX)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let is_whole = (ids.len() as u64) < MESSAGES_MAX;
        let last = ids.last().copied().filter(|_| !is_whole).unwrap_or(i64::MAX);
        let mut change = ActiveModel { filled_to: Set(last), ..ActiveModel::default() };
        if is_whole {
            change.state = Set(SearchState::On.name().to_owned());
        }
        self.move_search(row, change, Some(Which::Between(row.filled_to, last))).await
    }

    /// Moves on from where the row was read, then brings the words of messages up to date.
    async fn move_search(
        &self,
        row: &Model,
        change: ActiveModel,
        which: Option<Which>,
    ) -> Result<SearchStep, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        if !move_on(&db, row, ActiveModel { updated_at: Set(self.clock.now()), ..change }).await? {
            db.rollback().await?;
            return Ok(SearchStep::Overtaken);
        }
        if let Some(which) = which {
            self.refresh(&db, &which).await?;
        }
        db.commit().await?;
        Ok(SearchStep::Moved)
    }

    async fn refresh(&self, db: &CheckedTransaction, which: &Which) -> Result<(), StoreError> {
        let rows = read(db, which).await?;
        let found: Vec<i64> = rows.keys().copied().collect();
        let id = || Expr::col(word_table::id(self.dialect));
        let looked_at = match which {
            Which::Ids(ids) => id().is_in(ids.iter().copied()),
            Which::Between(after, last) => id().gt(*after).and(id().lte(*last)),
        };
        let mut gone = Cond::all().add(looked_at);
        if !found.is_empty() {
            gone = gone.add(id().is_not_in(found));
        }
        word_table::delete(db, gone).await?;
        let rows: Vec<WordRow> = rows.into_iter().collect();
        word_table::write(db, self.dialect, rows).await
    }
}

/// What the row becomes when all messages are to be filled in.
pub(super) fn filling_from(epoch: String, position: i64) -> ActiveModel {
    ActiveModel {
        state: Set(SearchState::Filling.name().to_owned()),
        epoch: Set(epoch),
        position: Set(position),
        filled_to: Set(0),
        words_version: Set(WORDS_VERSION),
        ..ActiveModel::default()
    }
}

/// Changes the row if it still is as it was read, and keeps it from others until the commit.
pub(super) async fn move_on(
    db: &CheckedTransaction,
    row: &Model,
    change: ActiveModel,
) -> Result<bool, StoreError> {
    let as_read = Cond::all()
        .add(Column::State.eq(&row.state))
        .add(Column::Epoch.eq(&row.epoch))
        .add(Column::Position.eq(row.position))
        .add(Column::FilledTo.eq(row.filled_to))
        .add(Column::WordsVersion.eq(row.words_version));
    let update = Entity::update_many().set(change).filter(as_read);
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// The words of those messages that can be found, as they are now.
async fn read(
    db: &CheckedTransaction,
    which: &Which,
) -> Result<BTreeMap<i64, std::collections::BTreeSet<String>>, StoreError> {
    use waha_visible_messages::{Column, Entity};
    let beginning = Func::cust("SUBSTR").args([
        Expr::col((Entity, Column::Content)),
        Expr::val(1),
        Expr::val(i32::try_from(CONTENT_CHARS_MAX).unwrap_or(i32::MAX)),
    ]);
    let looked_at = match which {
        Which::Ids(ids) => Column::Id.is_in(ids.iter().copied()),
        Which::Between(after, last) => Column::Id.gt(*after).and(Column::Id.lte(*last)),
    };
    let texts: Vec<(i64, String)> = Entity::find()
        .select_only()
        .column(Column::Id)
        .column_as(Expr::from(beginning), "beginning")
        .filter(looked_at)
        .filter(Column::RevokedAt.is_null())
        .filter(Column::Content.is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    let words = texts.into_iter().map(|(id, text)| (id, words_of(&text)));
    Ok(words.filter(|(_, words)| !words.is_empty()).collect())
}

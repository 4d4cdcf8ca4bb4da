//! Switches the search on and off.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Cond, Expr, ExprTrait};
use sea_orm::{ConnectionTrait, Statement};

use entity::waha_search::{ActiveModel, Model};

use super::step::{filling_from, move_on};
use super::{SearchState, is_current, word_table};
use crate::search::WORDS_VERSION;
use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// Why the search can't be switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchRefusal {
    /// It is being switched off.
    #[error(
        "the search is being switched off, or that was interrupted: run `waha-ingest search disable` first"
    )]
    Clearing,
    /// A newer release made the words.
    #[error("a newer release keeps the words of messages: use that one")]
    Newer,
    /// Another process switched it at the same time.
    #[error("somebody else has switched it meanwhile: look with `waha-ingest search status`")]
    Overtaken,
    /// The server would not index all words.
    #[error(
        "the server's {name} is {value}, so words would be missing: set it to {wanted} (the default) in the \
         server's configuration, restart it, and try again"
    )]
    Server {
        /// The setting.
        name: &'static str,
        /// As it is.
        value: i64,
        /// As it should be.
        wanted: i64,
    },
}

/// Messages whose words are taken away in one transaction.
const DELETED_MAX: u64 = 2_000;

/// What the server takes for a word, by default: letters at least and at most.
const LETTERS_MIN: (&str, i64) = ("innodb_ft_min_token_size", 3);
const LETTERS_MAX: (&str, i64) = ("innodb_ft_max_token_size", 84);

impl Store {
    /// Switches the search on: from now on [`search_step`](Self::search_step) fills the words in. Where it is on
    /// already, nothing changes.
    pub async fn enable_search(
        &self,
        actor: &Actor,
    ) -> Result<Result<(), SearchRefusal>, StoreError> {
        if let Some(refusal) = self.server_refusal().await? {
            return Ok(Err(refusal));
        }
        let row = self.search_row().await?;
        let feed = self.feed_state().await?;
        if row.words_version > WORDS_VERSION {
            return Ok(Err(SearchRefusal::Newer));
        }
        match SearchState::of(&row) {
            SearchState::Clearing => return Ok(Err(SearchRefusal::Clearing)),
            SearchState::On | SearchState::Filling if is_current(&row, &feed) => return Ok(Ok(())),
            _ => {}
        }
        let change = filling_from(feed.epoch, feed.position);
        self.switch_search(&row, change, actor, AuditAction::Enable).await
    }

    /// Switches the search off and takes the words away.
    pub async fn disable_search(
        &self,
        actor: &Actor,
    ) -> Result<Result<(), SearchRefusal>, StoreError> {
        let row = self.search_row().await?;
        if SearchState::of(&row) == SearchState::Off {
            return Ok(Ok(()));
        }
        // Nobody writes words from here on.
        let clearing = state(SearchState::Clearing);
        if let Err(refusal) =
            self.switch_search(&row, clearing, actor, AuditAction::Disable).await?
        {
            return Ok(Err(refusal));
        }
        self.clear_words().await?;
        let row = self.search_row().await?;
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let is_moved = move_on(&db, &row, state(SearchState::Off)).await?;
        db.commit().await?;
        Ok(if is_moved { Ok(()) } else { Err(SearchRefusal::Overtaken) })
    }

    /// Takes all words away: at once, which gives their space back, or, without the right to do that, as any
    /// worker may, some at a time.
    async fn clear_words(&self) -> Result<(), StoreError> {
        let at_once = {
            let _turn = self.turn().await;
            self.pool().db.execute_unprepared(word_table::clearing(self.dialect)).await
        };
        if let Err(error) = at_once {
            let error = StoreError::from(error);
            tracing::debug!(error = error.detail(), "words are taken away some at a time");
            while self.delete_some_words().await? {}
        }
        Ok(())
    }

    async fn delete_some_words(&self) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let Some(last) = word_table::last_of_first(&db, self.dialect, DELETED_MAX).await? else {
            db.rollback().await?;
            return Ok(false);
        };
        let up_to = Expr::col(word_table::id(self.dialect)).lte(last);
        word_table::delete(&db, Cond::all().add(up_to)).await?;
        db.commit().await?;
        Ok(true)
    }

    async fn switch_search(
        &self,
        row: &Model,
        change: ActiveModel,
        actor: &Actor,
        action: AuditAction,
    ) -> Result<Result<(), SearchRefusal>, StoreError> {
        let now = self.clock.now();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        if !move_on(&db, row, ActiveModel { updated_at: Set(now), ..change }).await? {
            db.rollback().await?;
            return Ok(Err(SearchRefusal::Overtaken));
        }
        audit::insert(&db, &AuditEntry::new(action, actor), now).await?;
        db.commit().await?;
        Ok(Ok(()))
    }

    async fn server_refusal(&self) -> Result<Option<SearchRefusal>, StoreError> {
        if self.dialect != Dialect::MySql {
            return Ok(None);
        }
        for (name, wanted) in [LETTERS_MIN, LETTERS_MAX] {
            let sql = format!("SELECT CAST(@@{name} AS SIGNED)");
            let question = Statement::from_string(self.dialect.backend(), sql);
            let row = self.pool().db.query_one_raw(question).await?;
            let value = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
            let is_bad = |value: &i64| {
                if name == LETTERS_MIN.0 { *value > wanted } else { *value < wanted }
            };
            if let Some(value) = value.filter(is_bad) {
                return Ok(Some(SearchRefusal::Server { name, value, wanted }));
            }
        }
        Ok(None)
    }
}

fn state(state: SearchState) -> ActiveModel {
    ActiveModel { state: Set(state.name().to_owned()), ..ActiveModel::default() }
}

//! Notices that the database has lost the newest part of its history, and gives the feed a new epoch then.
//!
//! A standby that did not have the last commits, or a backup, gives out positions a second time. Whoever had
//! read further would take the new changes for those that he knows. So each process remembers the newest
//! position that it has seen committed; if the counter stands lower under the same epoch, that history is gone.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use entity::{feed_consumers, waha_feed, waha_search};

/// How far a feed got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct FeedPlace {
    pub(in crate::store) epoch: String,
    pub(in crate::store) position: i64,
}

/// The newest place that this process has seen committed.
#[derive(Debug, Default)]
pub(in crate::store) struct SeenFeed(Mutex<Option<FeedPlace>>);

impl SeenFeed {
    /// Whether a counter that stands there has gone back.
    pub(super) fn is_ahead_of(&self, place: &FeedPlace) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().is_some_and(|it| it.epoch == place.epoch && it.position > place.position)
    }

    /// Takes note of what is committed.
    pub(in crate::store) fn learn(&self, place: FeedPlace) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|it| it.epoch != place.epoch || it.position < place.position) {
            *seen = Some(place);
        }
    }
}

/// Gives the feed another epoch, and takes along whoever follows it from within the database: their positions
/// are of the same history. The transaction holds the lock of the counter's row.
pub(in crate::store) async fn renew_epoch(
    db: &impl ConnectionTrait,
    former: &str,
    now: DateTime<Utc>,
) -> Result<String, DbErr> {
    let epoch = format!("{:x}", now.timestamp_micros());
    let value = || Expr::val(epoch.as_str());
    waha_feed::Entity::update_many()
        .col_expr(waha_feed::Column::Epoch, value())
        .filter(waha_feed::Column::Epoch.eq(former))
        .exec(db)
        .await?;
    feed_consumers::Entity::update_many()
        .col_expr(feed_consumers::Column::Epoch, value())
        .filter(feed_consumers::Column::Epoch.eq(former))
        .exec(db)
        .await?;
    waha_search::Entity::update_many()
        .col_expr(waha_search::Column::Epoch, value())
        .filter(waha_search::Column::Epoch.eq(former))
        .exec(db)
        .await?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: &str, position: i64) -> FeedPlace {
        FeedPlace { epoch: epoch.to_owned(), position }
    }

    #[test]
    fn only_what_was_seen_of_the_same_feed_tells_of_a_loss() {
        let seen = SeenFeed::default();
        assert!(!seen.is_ahead_of(&place("a", 3)));
        seen.learn(place("a", 9));
        seen.learn(place("a", 7));
        assert!(seen.is_ahead_of(&place("a", 8)));
        assert!(!seen.is_ahead_of(&place("a", 9)));
        assert!(!seen.is_ahead_of(&place("b", 1)));
        seen.learn(place("b", 2));
        assert!(!seen.is_ahead_of(&place("b", 2)));
        assert!(seen.is_ahead_of(&place("b", 1)));
    }
}

//! Of which sources rows go, where sources have ages of their own.
//!
//! Each set of sources has a pass with a cursor of its own: what one of them keeps for ever is read once by the
//! others, not with each pass. A source that gets an age of its own, or loses it, makes another set, which begins
//! anew.

use std::collections::{BTreeSet, HashSet};

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use sha2::{Digest, Sha256};

use entity::waha_sessions::{Column, Entity};

use crate::store::Store;
use crate::store::sql::error::StoreError;

/// So much of a hash fits into the name of a cursor, and tells some hundred sets apart.
const HASH_LENGTH: usize = 16;

/// Of which sources rows go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OfSources {
    /// Of all.
    #[default]
    All,
    /// Of this one.
    Only(String),
    /// Of all but these.
    Without(BTreeSet<String>),
}

impl OfSources {
    /// The name of the cursor of a pass for them: that of the kind alone for all.
    pub(super) fn cursor(&self, kind: &str) -> String {
        let set = match self {
            Self::All => return kind.to_owned(),
            Self::Only(source) => format!("only {source}"),
            Self::Without(sources) => {
                let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
                format!("without {}", sources.join(" "))
            }
        };
        let hash = hex::encode(Sha256::digest(set.as_bytes()));
        format!("{kind}:{}", &hash[..HASH_LENGTH])
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only == source,
            Self::Without(others) => !others.contains(source),
        }
    }

    /// Rows whose column of the source's name has one of them.
    pub(super) fn named_in(&self, source: impl ColumnTrait) -> Condition {
        match self {
            Self::All => Condition::all(),
            Self::Only(only) => Condition::all().add(source.eq(only.as_str())),
            Self::Without(others) => {
                let others = others.iter().map(String::as_str);
                Condition::all().add(source.is_not_in(others))
            }
        }
    }

    /// Rows whose column of the session has a session of one of them.
    pub(super) fn of_session(&self, session: impl ColumnTrait) -> Condition {
        if *self == Self::All {
            return Condition::all();
        }
        let mut sessions = Query::select();
        sessions.column(Column::Id).from(Entity).cond_where(self.named_in(Column::Source));
        Condition::all().add(session.in_subquery(sessions))
    }
}

/// The sessions whose rows go; none: all. One that comes about later is not among them, and has no old rows.
pub(super) type Sessions = Option<HashSet<i64>>;

impl Store {
    pub(super) async fn sessions_of(&self, sources: &OfSources) -> Result<Sessions, StoreError> {
        if *sources == OfSources::All {
            return Ok(None);
        }
        let sessions = Entity::find().select_only().column(Column::Id);
        let sessions = sessions.filter(sources.named_in(Column::Source)).into_tuple::<i64>();
        Ok(Some(sessions.all(&self.pool().db).await?.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(sources: &[&str]) -> OfSources {
        OfSources::Without(sources.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn each_set_has_a_cursor_of_its_own_that_fits() {
        let long = "s".repeat(64);
        let sets = [
            OfSources::All,
            OfSources::Only(long.clone()),
            OfSources::Only("shop".to_owned()),
            without(&["shop"]),
            without(&["shop", &long]),
        ];
        let names: BTreeSet<String> = sets.iter().map(|set| set.cursor("messages")).collect();
        assert_eq!(names.len(), sets.len());
        assert!(names.contains("messages") && names.iter().all(|name| name.len() <= 32));
    }

    #[test]
    fn a_source_is_in_one_of_its_sets() {
        assert!(OfSources::All.has("shop") && OfSources::Only("shop".to_owned()).has("shop"));
        assert!(!OfSources::Only("sho".to_owned()).has("shop"));
        assert!(!without(&["shop"]).has("shop") && without(&["shop"]).has("other"));
    }
}

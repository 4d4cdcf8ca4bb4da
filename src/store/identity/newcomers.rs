//! Ids that nobody has used yet come into being as who they are.
//!
//! Most links tell of a LID that has no row. Then there is nothing to merge: its row says from the
//! start who stands for it. Called by `resolve_people` after all others of the batch are locked; if
//! the row is there after all, because somebody told of the LID before, it stays as it is and the two
//! are merged as usual.

use std::collections::{BTreeMap, BTreeSet};

use super::canonical::CanonicalIds;
use super::known::KnownRows;
use super::locks::lock_shared;
use crate::change::{Link, PersonKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::tables::contact;

/// New ids with the phone id of the person, in the order of their locks.
pub(super) type NewLidRows = BTreeMap<(i64, PersonKey), PersonKey>;

/// LIDs that came into being, by session.
pub(super) struct NewLids(Vec<(i64, PersonKey)>);

impl NewLids {
    /// The names of the people who have them.
    pub(super) fn names(&self, canonical_ids: &CanonicalIds) -> Vec<(i64, String)> {
        let name =
            |(session, lid): &(i64, PersonKey)| Some((*session, canonical_ids.get(lid)?.clone()));
        let names: BTreeSet<(i64, String)> = self.0.iter().filter_map(name).collect();
        names.into_iter().collect()
    }
}

/// Makes rows for newcomers; adds to `canonical_ids` who stands for them. To be told which LID they
/// have once all are merged.
pub(super) async fn insert_newcomers(
    context: &WriteContext<'_>,
    newcomers: &NewLidRows,
    canonical_ids: &mut CanonicalIds,
) -> Result<NewLids, StoreError> {
    let mut rows = Vec::with_capacity(newcomers.len());
    for ((session, lid), phone) in newcomers {
        let name = canonical_ids.get(phone).ok_or(Vanished(contact::TABLE))?;
        rows.push(contact::row_of(*session, lid, name, context.now));
    }
    context.write(&contact::FOLLOWED, &contact::make(context.dialect), rows).await?;
    let people: Vec<(i64, PersonKey)> = newcomers.keys().cloned().collect();
    let found = lock_shared(context, &people).await?;
    if found.len() < people.len() {
        return Err(Vanished(contact::TABLE));
    }
    canonical_ids.extend(found);
    Ok(NewLids(people))
}

/// LIDs that no committed row is known for, with the phone id of the first link of each.
pub(super) fn newcomers(links: &[Link], known: &KnownRows) -> Result<NewLidRows, StoreError> {
    let mut newcomers = NewLidRows::new();
    for link in links {
        let [lid, phone] = link.ends();
        if lid.is_lid() && !phone.is_lid() && !known.people.contains_key(&lid) {
            newcomers.entry((known.session(&link.session)?, lid)).or_insert(phone);
        }
    }
    Ok(newcomers)
}

//! Makes two people one, under locks: everything of the one moves to the other, whose name sorts first.
//!
//! Called by `resolve_people` for links that are news. Nothing is ever taken apart again: ids that links
//! join are one person for good, however many there are, so the order of links makes no
//! difference.

use std::collections::BTreeSet;

use super::canonical::{CanonicalIds, IdentityMerge, follow, rank};
use super::known::KnownRows;
use super::lids::read_members;
use super::locks::lock_exclusive;
use super::merge_rows::merge_rows;
use super::retold::RetoldMessages;
use crate::change::{Link, PersonKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::tables::contact;

/// How often others may merge the same people while we wait for their locks.
const ROUNDS_MAX: usize = 16;

/// Merges the ends of a link, if they are not one person already.
pub(super) async fn merge_identities(
    context: &WriteContext<'_>,
    link: &Link,
    known: &KnownRows,
    canonical_ids: &mut CanonicalIds,
    retold: &mut RetoldMessages,
) -> Result<(), StoreError> {
    let session_id = known.session(&link.session)?;
    let ends = link.ends();
    for _ in 0..ROUNDS_MAX {
        let names = ends.each_ref().map(|end| canonical_ids.get(end).cloned());
        let [Some(one), Some(other)] = names else { return Err(Vanished(contact::TABLE)) };
        if one == other {
            return Ok(());
        }
        let (canonical, merged) =
            if rank(&one) < rank(&other) { (one, other) } else { (other, one) };
        let merge = IdentityMerge { session: &link.session, session_id, canonical, merged };
        if lock_both(context, &merge, canonical_ids).await? {
            retold.follow(&merge);
            merge_rows(context, &merge, retold).await?;
            follow(canonical_ids, merge.session, &merge.merged, &merge.canonical);
            return Ok(());
        }
    }
    Err(Vanished(contact::TABLE))
}

/// Locks both. False if somebody else merged one of them meanwhile: then `canonical_ids` knows.
async fn lock_both(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
    canonical_ids: &mut CanonicalIds,
) -> Result<bool, StoreError> {
    let mut both = [&merge.canonical, &merge.merged].map(|jid| {
        (merge.session_id, PersonKey { session: merge.session.clone(), jid: jid.clone() })
    });
    both.sort_unstable();
    let now = lock_exclusive(context, &both).await?;
    if now.len() < both.len() {
        return Err(Vanished(contact::TABLE));
    }
    let mut stand = true;
    for (key, name) in now.into_iter().filter(|(key, name)| key.jid != *name) {
        follow(canonical_ids, merge.session, &key.jid, &name);
        stand = false;
    }
    if stand {
        lock_all_ids(context, merge).await?;
    }
    Ok(stand)
}

/// Locks all ids of both, also those that turn up meanwhile: whoever writes under one of them
/// has then committed.
async fn lock_all_ids(
    context: &WriteContext<'_>,
    merge: &IdentityMerge<'_>,
) -> Result<(), StoreError> {
    let names = [&merge.canonical, &merge.merged].map(|name| (merge.session_id, name.clone()));
    let mut held = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut members = BTreeSet::new();
        for row in read_members(context.db, &names).await? {
            let jid = row.try_get("", "jid")?;
            members.insert((merge.session_id, PersonKey { session: merge.session.clone(), jid }));
        }
        if members.is_subset(&held) {
            return Ok(());
        }
        lock_exclusive(context, &members.iter().cloned().collect::<Vec<_>>()).await?;
        held = members;
    }
    Err(Vanished(contact::TABLE))
}

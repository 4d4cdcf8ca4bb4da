//! Who stands for whom: locks the people of a batch, merges those who turn out to be one, and puts
//! the changes under the names that stand for them.

use std::collections::{BTreeMap, BTreeSet};

use super::canonical::CanonicalIds;
use super::known::KnownRows;
use super::lids::assign_lids;
use super::locks::{lock_exclusive, lock_shared};
use super::merge::merge_identities;
use super::newcomers::{NewLidRows, insert_newcomers, newcomers};
use super::retold::RetoldMessages;
use crate::change::{Changes, ContactChange, Link, Merge, Named, Names, PersonKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::tables::contact;

/// What is told of people at the end of the transaction, in the order of their locks.
pub(in crate::store) type DeferredNames = BTreeMap<PersonKey, ContactChange>;

/// People as they are told, and what to do about them.
struct PeopleBatch {
    /// Under the names known so far, in the order of their locks.
    people: Vec<(i64, PersonKey)>,
    /// What is told of them, under the names known so far.
    contacts: BTreeMap<PersonKey, ContactChange>,
    /// Links that are not known yet.
    links: Vec<Link>,
    /// LIDs of these links that are not known to have a row; not among the people.
    newcomers: NewLidRows,
}

/// Merges whom the changes link; returns the names that hold until the transaction ends, what
/// has to be told again under them, and what is to be told of people at its end.
pub(in crate::store) async fn resolve_people(
    context: &WriteContext<'_>,
    changes: &Changes,
    known: &mut KnownRows,
) -> Result<(Names, RetoldMessages, DeferredNames), StoreError> {
    let told = changes.people();
    let batch = PeopleBatch::of(changes, known)?;
    insert_and_lock(context, &batch, known).await?;
    let mut canonical_ids = lock_shared(context, &batch.people).await?;
    if canonical_ids.len() < batch.people.len() {
        return Err(Vanished(contact::TABLE));
    }
    let introduced = insert_newcomers(context, &batch.newcomers, &mut canonical_ids).await?;
    let mut retold = RetoldMessages::default();
    for link in &batch.links {
        merge_identities(context, link, known, &mut canonical_ids, &mut retold).await?;
    }
    assign_lids(context, &introduced.names(&canonical_ids)).await?;
    let names = names(&told, &canonical_ids, known);
    let deferred = deferred_names(context, batch.contacts, &names, known);
    Ok((names, retold, deferred))
}

/// Makes rows for new people and locks those to be merged.
///
/// PostgreSQL: a row that is to be merged is locked before anything of it is updated, or others
/// would read the old row without waiting. MySQL: names that are news are written here, because
/// its share locks would keep everybody from it later.
async fn insert_and_lock(
    context: &WriteContext<'_>,
    batch: &PeopleBatch,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let linked: BTreeSet<PersonKey> = batch.links.iter().flat_map(Link::ends).collect();
    let (mut new, mut named, mut merged) = (Vec::new(), Vec::new(), Vec::new());
    let nothing = ContactChange::default();
    for (session, key) in &batch.people {
        let told = batch.contacts.get(key);
        let row = || contact::row(*session, key, told.unwrap_or(&nothing), context.now);
        if linked.contains(key) {
            merged.push((*session, key.clone()));
        }
        if context.dialect == Dialect::MySql && told.is_some_and(|it| known.is_new_name(key, it)) {
            named.push(row());
        } else if !known.people.contains_key(key) {
            new.push(row());
        }
    }
    context.write(&contact::FOLLOWED, &contact::make(context.dialect), new).await?;
    context.write(&contact::FOLLOWED, &contact::upsert(context.dialect), named).await?;
    lock_exclusive(context, &merged).await?;
    Ok(())
}

/// Names to be written at the end: those that are news, under the names that stand for people
/// by now. On MySQL only those that could not be written under their own.
fn deferred_names(
    context: &WriteContext<'_>,
    contacts: BTreeMap<PersonKey, ContactChange>,
    names: &Names,
    known: &mut KnownRows,
) -> DeferredNames {
    let mut deferred = DeferredNames::new();
    for (key, told) in contacts {
        let mut name = key.clone();
        name.rename(names);
        let is_written = context.dialect == Dialect::MySql || !known.is_new_name(&key, &told);
        known.learn_name(&name, &told);
        if name != key || !is_written {
            deferred.merge_in(BTreeMap::from([(name, told)]));
        }
    }
    deferred
}

/// Writes names.
pub(in crate::store) async fn write_names(
    context: &WriteContext<'_>,
    deferred: &DeferredNames,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let mut people = Vec::with_capacity(deferred.len());
    for (key, told) in deferred {
        people.push((known.session(&key.session)?, key, told));
    }
    people.sort_unstable_by_key(|(session, key, _)| (*session, &key.jid));
    let row = |(session, key, told)| contact::row(session, key, told, context.now);
    let rows = people.into_iter().map(row).collect();
    Ok(context.write(&contact::FOLLOWED, &contact::upsert(context.dialect), rows).await?)
}

impl PeopleBatch {
    fn of(changes: &Changes, known: &KnownRows) -> Result<Self, StoreError> {
        let names = known.names();
        let links: Vec<Link> =
            changes.links.iter().filter(|link| !known.knows(link)).cloned().collect();
        let mut contacts: BTreeMap<PersonKey, ContactChange> = BTreeMap::new();
        for (key, change) in &changes.contacts {
            let mut key = key.clone();
            key.rename(&names);
            contacts.merge_in(BTreeMap::from([(key, change.clone())]));
        }
        let mut people = BTreeSet::new();
        for mut key in changes.named() {
            key.rename(&names);
            people.insert((known.session(&key.session)?, key));
        }
        // A link that is known needs no lock; what is written under its ends does.
        for key in links.iter().flat_map(Link::ends) {
            people.insert((known.session(&key.session)?, key));
        }
        let newcomers = newcomers(&links, known)?;
        people.retain(|person| !newcomers.contains_key(person));
        let mut people: Vec<(i64, PersonKey)> = people.into_iter().collect();
        people.sort_unstable_by(|one, other| (one.0, &one.1.jid).cmp(&(other.0, &other.1.jid)));
        Ok(Self { people, contacts, links, newcomers })
    }
}

/// The names of everybody told, and what is to be remembered of them.
fn names(told: &BTreeSet<PersonKey>, canonical_ids: &CanonicalIds, known: &mut KnownRows) -> Names {
    let before = known.names();
    let mut names = Names::default();
    for (key, name) in canonical_ids {
        known.learn_person(key, name);
        // Also who is not told under this id: a name told of another one may have been put under it.
        if *name != key.jid {
            names.insert(key.clone(), name.clone());
        }
    }
    for key in told {
        let mut known_as = key.clone();
        known_as.rename(&before);
        let name = canonical_ids.get(&known_as).unwrap_or(&known_as.jid);
        known.learn_person(key, name);
        if *name != key.jid {
            names.insert(key.clone(), name.clone());
        }
    }
    names
}

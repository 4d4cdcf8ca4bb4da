//! Who stands for whom: locks the people of a batch, unites those who turn out to be one, and puts
//! the changes under the names that stand for them.
//!
//! What keeps two workers from writing beside one another's merge:
//! - Everybody whom a key names has a row in `waha_contacts`. A transaction holds a share lock on
//!   it from here to its commit, and reads under that lock who stands for the person.
//! - Two ids are united under exclusive locks on the rows that stand for both. So whoever writes
//!   under one of them has either committed, and what it wrote is moved, or waits, and then reads
//!   the new name.
//!
//! Rows are locked in the order of (session, id), so workers don't deadlock, except over a push
//! name or link that one of them knows already: then the database ends one, which tries again.

mod lock;
mod messages;
mod unite;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ids::{Known, Person};
use super::rows::contact;
use super::write::Writer;
use super::{StoreError, StoreError::Vanished};
use crate::change::{Changes, ContactChange, Link, Merge, Named, Names, PersonKey, Version};

pub(super) use messages::Moved;

/// Who stands for the people of a batch, under locks.
pub(super) type Standing = HashMap<PersonKey, String>;

/// People as they are told, and what to do about them.
struct Batch {
    /// Under the names known so far, in the order of their locks.
    people: Vec<(i64, PersonKey)>,
    /// What is told of them, under the names known so far.
    contacts: BTreeMap<PersonKey, ContactChange>,
    /// Links that are not known yet.
    links: Vec<Link>,
}

impl Writer<'_> {
    /// Unites whom the changes link; returns the names that hold until the transaction ends, and
    /// what has to be told again under them.
    pub(super) async fn name_people(
        &self,
        changes: &Changes,
        known: &mut Known,
    ) -> Result<(Names, Moved), StoreError> {
        let told = changes.people();
        let batch = Batch::of(changes, known)?;
        self.touch(&batch, known).await?;
        let mut standing = self.share(&batch.people).await?;
        if standing.len() < batch.people.len() {
            return Err(Vanished(contact::TABLE));
        }
        let mut moved = Moved::default();
        for link in &batch.links {
            self.unite(link, known, &mut standing, &mut moved).await?;
        }
        let names = names(&told, &standing, known);
        self.write_late_names(&batch, &names, known).await?;
        Ok((names, moved))
    }

    /// Makes rows for new people, locks those to be united, and writes names that are news.
    async fn touch(&self, batch: &Batch, known: &Known) -> Result<(), StoreError> {
        let linked: BTreeSet<PersonKey> = batch.links.iter().flat_map(Link::ends).collect();
        let mut rows = Vec::new();
        for (session, key) in &batch.people {
            let told = batch.contacts.get(key);
            if !known.people.contains_key(key)
                || linked.contains(key)
                || told.is_some_and(|told| known.is_new_name(key, told))
            {
                rows.push(contact::row(*session, key, told, self.now));
            }
        }
        Ok(contact::upsert(self.dialect).run(self.db, rows).await?)
    }

    /// Names told of ids that others stand for by now.
    async fn write_late_names(
        &self,
        batch: &Batch,
        names: &Names,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let mut late = BTreeMap::new();
        for (key, told) in &batch.contacts {
            let mut name = key.clone();
            name.rename(names);
            known.learn_name(&name, told);
            if name != *key {
                late.merge_in(BTreeMap::from([(name, told.clone())]));
            }
        }
        let mut rows = Vec::with_capacity(late.len());
        for (key, told) in &late {
            rows.push(contact::row(known.session(&key.session)?, key, Some(told), self.now));
        }
        Ok(contact::upsert(self.dialect).run(self.db, rows).await?)
    }
}

impl Batch {
    fn of(changes: &Changes, known: &Known) -> Result<Self, StoreError> {
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
        let mut people: Vec<(i64, PersonKey)> = people.into_iter().collect();
        people.sort_unstable_by(|one, other| (one.0, &one.1.jid).cmp(&(other.0, &other.1.jid)));
        Ok(Self { people, contacts, links })
    }
}

/// The names of everybody told, and what is to be remembered of them.
fn names(told: &BTreeSet<PersonKey>, standing: &Standing, known: &mut Known) -> Names {
    let before = known.names();
    for (key, name) in standing {
        known.learn_person(key, name);
    }
    let mut names = Names::default();
    for key in told {
        let mut known_as = key.clone();
        known_as.rename(&before);
        let name = standing.get(&known_as).unwrap_or(&known_as.jid);
        known.learn_person(key, name);
        if *name != key.jid {
            names.insert(key.clone(), name.clone());
        }
    }
    names
}

impl Known {
    /// Whether both ids are known to be one person.
    fn knows(&self, link: &Link) -> bool {
        let [lid, phone] = link.ends().map(|key| self.people.get(&key).map(|person| &person.name));
        lid.is_some() && lid == phone
    }

    fn is_new_name(&self, key: &PersonKey, told: &ContactChange) -> bool {
        let committed = self.people.get(key).map_or(Version::default(), |person| person.push_name);
        told.push_name.as_ref().is_some_and(|name| name.version > committed)
    }

    fn learn_person(&mut self, key: &PersonKey, name: &str) {
        if let Some(person) = self.people.get_mut(key) {
            name.clone_into(&mut person.name);
        } else {
            let person = Person { name: name.to_owned(), push_name: Version::default() };
            self.people.insert(key.clone(), person);
        }
    }

    fn learn_name(&mut self, key: &PersonKey, told: &ContactChange) {
        if let (Some(person), Some(name)) = (self.people.get_mut(key), &told.push_name) {
            person.push_name = person.push_name.max(name.version);
        }
    }
}

//! Who stands for whom: locks the people of a batch, unites those who turn out to be one, and puts
//! the changes under the names that stand for them.
//!
//! What keeps two workers from writing beside one another's merge:
//! - Everybody whom a key names has a row in `waha_contacts`. A transaction holds a share lock on
//!   it from here to its commit, and reads under that lock who stands for the person.
//! - Two ids are united under exclusive locks on the rows that stand for both, and on all their other
//!   ids. So whoever writes under one of them has either committed, and what it wrote is moved, or
//!   waits, and then reads the new name.
//!
//! What keeps them from waiting for one another without need: who is new gets rows, and who is one
//! is united, in a short transaction before the batch's (`meet`); names are written at the end, and
//! the share lock of PostgreSQL lets others write them meanwhile.
//!
//! Rows are locked in the order of (session, id), so workers don't deadlock, except over links that
//! are news: then the database ends one, which tries again.

mod introduce;
mod lids;
mod lock;
mod meet;
mod messages;
mod unite;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dialect::Dialect;
use super::ids::{Known, Person};
use super::rows::contact;
use super::write::Writer;
use super::{StoreError, StoreError::Vanished};
use crate::change::{Changes, ContactChange, Link, Merge, Named, Names, PersonKey, Version};

pub(super) use messages::Moved;

/// Who stands for the people of a batch, under locks.
pub(super) type Standing = HashMap<PersonKey, String>;

/// What is told of people at the end of the transaction, in the order of their locks.
pub(super) type LateNames = BTreeMap<PersonKey, ContactChange>;

/// New ids with the phone id of the person, in the order of their locks.
type Newcomers = BTreeMap<(i64, PersonKey), PersonKey>;

/// People as they are told, and what to do about them.
struct Batch {
    /// Under the names known so far, in the order of their locks.
    people: Vec<(i64, PersonKey)>,
    /// What is told of them, under the names known so far.
    contacts: BTreeMap<PersonKey, ContactChange>,
    /// Links that are not known yet.
    links: Vec<Link>,
    /// LIDs of these links that are not known to have a row; not among the people.
    newcomers: Newcomers,
}

impl Writer<'_> {
    /// Unites whom the changes link; returns the names that hold until the transaction ends, what
    /// has to be told again under them, and what is to be told of people at its end.
    pub(super) async fn name_people(
        &self,
        changes: &Changes,
        known: &mut Known,
    ) -> Result<(Names, Moved, LateNames), StoreError> {
        let told = changes.people();
        let batch = Batch::of(changes, known)?;
        self.touch(&batch, known).await?;
        let mut standing = self.share(&batch.people).await?;
        if standing.len() < batch.people.len() {
            return Err(Vanished(contact::TABLE));
        }
        let introduced = self.introduce(&batch.newcomers, &mut standing).await?;
        let mut moved = Moved::default();
        for link in &batch.links {
            self.unite(link, known, &mut standing, &mut moved).await?;
        }
        self.tell_lids(&introduced.names(&standing)).await?;
        let names = names(&told, &standing, known);
        let late = self.late_names(batch.contacts, &names, known);
        Ok((names, moved, late))
    }

    /// Makes rows for new people and locks those to be united.
    ///
    /// PostgreSQL: a row that is to be united is locked before anything of it is updated, or others
    /// would read the old row without waiting. MySQL: names that are news are written here, because
    /// its share locks would keep everybody from it later.
    async fn touch(&self, batch: &Batch, known: &Known) -> Result<(), StoreError> {
        let linked: BTreeSet<PersonKey> = batch.links.iter().flat_map(Link::ends).collect();
        let (mut new, mut named, mut united) = (Vec::new(), Vec::new(), Vec::new());
        for (session, key) in &batch.people {
            let told = batch.contacts.get(key);
            let row = || contact::row(*session, key, told, self.now);
            if linked.contains(key) {
                united.push((*session, key.clone()));
            }
            if self.dialect == Dialect::MySql && told.is_some_and(|it| known.is_new_name(key, it)) {
                named.push(row());
            } else if !known.people.contains_key(key) {
                new.push(row());
            }
        }
        contact::make(self.dialect).run(self.db, new).await?;
        contact::upsert(self.dialect).run(self.db, named).await?;
        self.exclude(&united).await?;
        Ok(())
    }

    /// Names to be written at the end: those that are news, under the names that stand for people
    /// by now. On MySQL only those that could not be written under their own.
    fn late_names(
        &self,
        contacts: BTreeMap<PersonKey, ContactChange>,
        names: &Names,
        known: &mut Known,
    ) -> LateNames {
        let mut late = LateNames::new();
        for (key, told) in contacts {
            let mut name = key.clone();
            name.rename(names);
            let is_written = self.dialect == Dialect::MySql || !known.is_new_name(&key, &told);
            known.learn_name(&name, &told);
            if name != key || !is_written {
                late.merge_in(BTreeMap::from([(name, told)]));
            }
        }
        late
    }

    /// Writes names.
    pub(super) async fn tell_names(
        &self,
        late: &LateNames,
        known: &Known,
    ) -> Result<(), StoreError> {
        let mut people = Vec::with_capacity(late.len());
        for (key, told) in late {
            people.push((known.session(&key.session)?, key, told));
        }
        people.sort_unstable_by_key(|(session, key, _)| (*session, &key.jid));
        let row = |(session, key, told)| contact::row(session, key, Some(told), self.now);
        let rows = people.into_iter().map(row).collect();
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
        let newcomers = newcomers(&links, known)?;
        people.retain(|person| !newcomers.contains_key(person));
        let mut people: Vec<(i64, PersonKey)> = people.into_iter().collect();
        people.sort_unstable_by(|one, other| (one.0, &one.1.jid).cmp(&(other.0, &other.1.jid)));
        Ok(Self { people, contacts, links, newcomers })
    }
}

/// LIDs that no committed row is known for, with the phone id of the first link of each.
fn newcomers(links: &[Link], known: &Known) -> Result<Newcomers, StoreError> {
    let mut newcomers = Newcomers::new();
    for link in links {
        let [lid, phone] = link.ends();
        if lid.is_lid() && !phone.is_lid() && !known.people.contains_key(&lid) {
            newcomers.entry((known.session(&link.session)?, lid)).or_insert(phone);
        }
    }
    Ok(newcomers)
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
    pub(super) fn knows(&self, link: &Link) -> bool {
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

//! The database ids of rows, and who stands for whom, as far as one transaction knows them.
//!
//! Filled from the cache of `ids`, and by what the transaction reads and writes.

use std::collections::HashMap;

use sea_orm::DbErr;

use crate::change::{
    ChatKey, ContactChange, IdentityVersions, Link, Names, PersonKey, SessionKey, Version,
};
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::error::StoreError::{self, Vanished};
use crate::store::sql::select::by_pairs;

/// The ids that one transaction works with, or that are known for good.
#[derive(Clone, Default)]
pub(in crate::store) struct KnownRows {
    /// In which its ids hold.
    pub(in crate::store) epoch: u64,
    pub(in crate::store) sessions: HashMap<SessionKey, i64>,
    pub(in crate::store) chats: HashMap<ChatKey, i64>,
    /// Versions of the sessions' identities that were committed.
    pub(in crate::store) identities: HashMap<SessionKey, IdentityVersions>,
    /// People that have a row. Two ids that were one person stay one person.
    pub(in crate::store) people: HashMap<PersonKey, KnownPerson>,
}

/// What is known of a person.
#[derive(Clone)]
pub(in crate::store) struct KnownPerson {
    /// The id that stands for the person, or did: it may by now be known under another one.
    pub(in crate::store) canonical_id: String,
    /// Version of the push name that was committed.
    pub(in crate::store) push_name: Version,
    /// Version of the username that was committed.
    pub(in crate::store) username: Version,
}

impl KnownRows {
    /// Which ids are known to have another name.
    pub(in crate::store) fn names(&self) -> Names {
        let mut names = Names::default();
        for (key, person) in
            self.people.iter().filter(|(key, person)| key.jid != person.canonical_id)
        {
            names.insert(key.clone(), person.canonical_id.clone());
        }
        names
    }

    pub(in crate::store) fn session(&self, key: &SessionKey) -> Result<i64, StoreError> {
        self.sessions.get(key).copied().ok_or(Vanished("waha_sessions"))
    }

    pub(in crate::store) fn chat(&self, key: &ChatKey) -> Result<i64, StoreError> {
        self.chats.get(key).copied().ok_or(Vanished("waha_chats"))
    }

    /// Whether both ids are known to be one person.
    pub(in crate::store) fn knows(&self, link: &Link) -> bool {
        let [lid, phone] =
            link.ends().map(|key| self.people.get(&key).map(|person| &person.canonical_id));
        lid.is_some() && lid == phone
    }

    pub(super) fn is_new_name(&self, key: &PersonKey, told: &ContactChange) -> bool {
        let person = self.people.get(key);
        let committed = person.map_or(Version::default(), |person| person.push_name);
        let username = person.map_or(Version::default(), |person| person.username);
        told.push_name.as_ref().is_some_and(|name| name.version > committed)
            || told.username.as_ref().is_some_and(|name| name.version > username)
    }

    pub(super) fn learn_person(&mut self, key: &PersonKey, name: &str) {
        if let Some(person) = self.people.get_mut(key) {
            name.clone_into(&mut person.canonical_id);
        } else {
            let canonical_id = name.to_owned();
            let (push_name, username) = (Version::default(), Version::default());
            self.people.insert(key.clone(), KnownPerson { canonical_id, push_name, username });
        }
    }

    pub(super) fn learn_name(&mut self, key: &PersonKey, told: &ContactChange) {
        let Some(person) = self.people.get_mut(key) else { return };
        if let Some(name) = &told.push_name {
            person.push_name = person.push_name.max(name.version);
        }
        if let Some(name) = &told.username {
            person.username = person.username.max(name.version);
        }
    }
}

pub(in crate::store) async fn session_ids(
    db: &CheckedTransaction,
    keys: &[&SessionKey],
) -> Result<HashMap<SessionKey, i64>, DbErr> {
    let found = by_pairs(db, "waha_sessions", ("source", "name"), "id", keys, |key| {
        (key.source.to_string(), key.name.to_string())
    });
    Ok(found.await?.into_iter().map(|(key, id)| (key.clone(), id)).collect())
}

pub(in crate::store) async fn chat_ids(
    db: &CheckedTransaction,
    keys: &[&ChatKey],
    known: &KnownRows,
) -> Result<HashMap<ChatKey, i64>, DbErr> {
    let found = by_pairs(db, "waha_chats", ("session_id", "chat_id"), "id", keys, |key| {
        (known.sessions.get(&key.session).copied().unwrap_or_default(), key.chat_id.clone())
    });
    Ok(found.await?.into_iter().map(|(key, id)| (key.clone(), id)).collect())
}

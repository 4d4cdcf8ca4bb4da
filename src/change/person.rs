//! People: what is told about one, and which two ids are one person.
//!
//! A person has a phone id (`@c.us`) and an anonymous one (`@lid`). Ids that links join, directly
//! or through others, are one person; the phone id that sorts first is the person's name in all
//! keys. That is a property of the set of links, so it never depends on their order.

use std::collections::HashMap;

use super::{ChatKey, Merge, Register, SessionKey};
use crate::waha::jid::ChatKind;

/// One of the ids of a person, as a session sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey {
    /// Whose contact.
    pub session: SessionKey,
    /// `…@c.us` or `…@lid`.
    pub jid: String,
}

impl PersonKey {
    /// The person that an id names; none if it names no person.
    pub fn of(session: &SessionKey, jid: &str) -> Option<Self> {
        let is_person = ChatKind::of(jid) == ChatKind::Person;
        is_person.then(|| Self { session: session.clone(), jid: jid.to_owned() })
    }

    /// Whether this is the anonymous id.
    pub fn is_lid(&self) -> bool {
        is_lid(&self.jid)
    }
}

/// Whether an id hides the phone number.
pub fn is_lid(jid: &str) -> bool {
    jid.ends_with("lid")
}

/// What is told about a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactChange {
    /// The name that the person chose. Its version is coarse, because messages repeat it.
    pub push_name: Option<Register<String>>,
    /// The name under which WhatsApp finds the person without a number; coarse, too.
    pub username: Option<Register<String>>,
}

impl Merge for ContactChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: push_name, username);
    }
}

/// Two ids of one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The session that was told so.
    pub session: SessionKey,
    /// `…@lid`
    pub lid: String,
    /// `…@c.us`
    pub phone: String,
}

impl Link {
    /// Both ids as keys.
    pub fn ends(&self) -> [PersonKey; 2] {
        let person = |jid: &str| PersonKey { session: self.session.clone(), jid: jid.to_owned() };
        [person(&self.lid), person(&self.phone)]
    }
}

/// Which name stands for a person in all keys; ids that are not in here stand for themselves.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<PersonKey, String>);

impl Names {
    /// Says that `key` is known under `name`.
    pub fn insert(&mut self, key: PersonKey, name: String) {
        self.0.insert(key, name);
    }

    /// The name of an id.
    pub fn of<'a>(&'a self, session: &SessionKey, jid: &'a str) -> &'a str {
        let key = PersonKey { session: session.clone(), jid: jid.to_owned() };
        self.0.get(&key).map_or(jid, String::as_str)
    }

    /// Whether no id has another name than itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a chat its person's name.
    pub fn chat(&self, chat: &mut ChatKey) {
        let name = self.of(&chat.session, &chat.chat_id);
        if name != chat.chat_id {
            chat.chat_id = name.to_owned();
        }
    }
}

//! Puts changes under the names that stand for their people.
//!
//! Called by the store, which knows what links were told. Keys that become equal merge by the same
//! rules as any two tellings, so it makes no difference under which id something was told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CallChange, Changes, ChatKey, Link, Merge, MessageKey, Names, PersonKey, SessionKey, Told,
    Words,
};

/// A key of a row, and what it names. A key that names nobody says nothing.
pub trait Named: Words {
    /// Puts the people's names in place of their ids.
    fn rename(&mut self, _names: &Names) {}

    /// Who is named, beside the chat.
    fn person(&self) -> Option<PersonKey> {
        None
    }

    /// The message whose answer, edit or the like it is.
    fn about(&self) -> Option<&MessageKey> {
        None
    }
}

/// A key of what belongs to a chat.
pub trait InChat {
    /// The chat, which may be a person's.
    fn chat(&self) -> &ChatKey;
}

/// Says where a key has its chat, whom it names beside it, and about which message it is.
macro_rules! in_chat {
    ($key:ty: $($chat:ident).+ $(, $person:ident)? $(; about $message:ident)?) => {
        impl $crate::change::InChat for $key {
            fn chat(&self) -> &$crate::change::ChatKey {
                &self.$($chat).+
            }
        }

        impl $crate::change::Named for $key {
            fn rename(&mut self, names: &$crate::change::Names) {
                $(
                    let person = names.of(&$crate::change::InChat::chat(self).session, &self.$person).to_owned();
                    self.$person = person;
                )?
                self.$($chat).+.rename(names);
            }

            fn person(&self) -> Option<$crate::change::PersonKey> {
                None$(.or($crate::change::PersonKey::of(&$crate::change::InChat::chat(self).session, &self.$person)))?
            }

            fn about(&self) -> Option<&$crate::change::MessageKey> {
                None$(.or(Some(&self.$message)))?
            }
        }
    };
}
pub(super) use in_chat;

impl Named for PersonKey {
    fn rename(&mut self, names: &Names) {
        let name = names.of(&self.session, &self.jid).to_owned();
        self.jid = name;
    }

    fn person(&self) -> Option<PersonKey> {
        Some(self.clone())
    }
}

impl Named for ChatKey {
    fn rename(&mut self, names: &Names) {
        names.chat(self);
    }

    fn person(&self) -> Option<PersonKey> {
        PersonKey::of(&self.session, &self.chat_id)
    }
}

/// What is told about the rows of a table.
pub(super) trait Table {
    /// Sees every key.
    fn each_key<'a>(&'a self, see: &mut dyn FnMut(&'a dyn Named));

    /// The same under the names of their people; rows that become one merge.
    fn with_renamed_keys(self, names: &Names) -> Self;
}

impl<K: Named + Ord, V: Merge> Table for BTreeMap<K, V> {
    fn each_key<'a>(&'a self, see: &mut dyn FnMut(&'a dyn Named)) {
        for key in self.keys() {
            see(key);
        }
    }

    fn with_renamed_keys(self, names: &Names) -> Self {
        let mut all = Self::new();
        for (mut key, value) in self {
            key.rename(names);
            all.merge_in(Self::from([(key, value)]));
        }
        all
    }
}

/// Links say who has which ids: they have no other names.
impl Table for BTreeSet<Link> {
    fn each_key<'a>(&'a self, _see: &mut dyn FnMut(&'a dyn Named)) {}

    fn with_renamed_keys(self, _names: &Names) -> Self {
        self
    }
}

/// Nothing is told of these, so they name nobody.
impl Table for BTreeSet<MessageKey> {
    fn each_key<'a>(&'a self, _see: &mut dyn FnMut(&'a dyn Named)) {}

    fn with_renamed_keys(self, names: &Names) -> Self {
        let renamed = |mut key: MessageKey| {
            key.rename(names);
            key
        };
        self.into_iter().map(renamed).collect()
    }
}

impl Changes {
    /// Everybody who is named in a key, or whose ids are told to be one person.
    pub fn people(&self) -> BTreeSet<PersonKey> {
        let mut people = self.named();
        people.extend(self.links.iter().flat_map(Link::ends));
        people
    }

    /// Everybody who is named in a key.
    pub fn named(&self) -> BTreeSet<PersonKey> {
        let mut named = BTreeSet::new();
        self.each_key(&mut |key| named.extend(key.person()));
        for (key, message) in &self.messages {
            let author = |author: &String| PersonKey::of(&key.chat.session, author);
            named.extend(message.told.keys().filter_map(author));
        }
        named
    }

    /// Whether something is an answer to a message, an edit of it or the like.
    pub fn mentions(&self, message: &MessageKey) -> bool {
        let mut is_mentioned = false;
        self.each_key(&mut |key| is_mentioned |= key.about() == Some(message));
        is_mentioned
    }

    /// The same changes under the names of their people.
    #[must_use]
    pub fn renamed(mut self, names: &Names) -> Self {
        if names.is_empty() {
            return self;
        }
        for call in self.calls.values_mut() {
            rename_caller(call, names);
        }
        for (key, message) in &mut self.messages {
            message.told = told(std::mem::take(&mut message.told), &key.chat.session, names);
        }
        self.with_renamed_keys(names)
    }
}

fn rename_caller(call: &mut CallChange, names: &Names) {
    let details = call.details.as_mut().map(|details| &mut details.value);
    if let Some(chat) = details.and_then(|details| details.chat.as_mut()) {
        chat.rename(names);
    }
}

/// What authors told, under the names that stand for them.
fn told(
    by_author: BTreeMap<String, Told>,
    session: &SessionKey,
    names: &Names,
) -> BTreeMap<String, Told> {
    let mut renamed = BTreeMap::new();
    for (author, told) in by_author {
        let author = names.of(session, &author).to_owned();
        renamed.merge_in(BTreeMap::from([(author, told)]));
    }
    renamed
}

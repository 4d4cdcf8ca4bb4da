//! Which id stands for a person, and two people who turn out to be one.
//!
//! Used by all of this room that write under locks.

use std::collections::HashMap;

use crate::change::person::is_lid;
use crate::change::{ChatKey, PersonKey, SessionKey};

/// Who stands for the people of a batch, under locks.
pub(in crate::store) type CanonicalIds = HashMap<PersonKey, String>;

/// Two who are one: `merged` is from now on known as `canonical`.
pub(super) struct IdentityMerge<'a> {
    pub(super) session: &'a SessionKey,
    pub(super) session_id: i64,
    pub(super) canonical: String,
    pub(super) merged: String,
}

impl IdentityMerge<'_> {
    /// The chat with the person.
    pub(super) fn chat(&self) -> ChatKey {
        let session: &SessionKey = self.session;
        ChatKey { session: session.clone(), chat_id: self.canonical.clone() }
    }
}

/// A phone id stands before a LID; else the one that sorts first.
pub(super) fn rank(jid: &str) -> (bool, &str) {
    (is_lid(jid), jid)
}

/// Whoever was known as `old` is now known as `name`.
pub(super) fn follow(
    canonical_ids: &mut CanonicalIds,
    session: &SessionKey,
    old: &str,
    name: &str,
) {
    for (key, known_as) in canonical_ids.iter_mut() {
        if key.session == *session && known_as == old {
            name.clone_into(known_as);
        }
    }
}

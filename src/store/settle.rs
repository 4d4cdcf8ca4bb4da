//! What a message shows when more than its own tellings decide about it: claims of other authors,
//! edits, revocations.
//!
//! Called by `write` after the rows of messages, edits and revocations are upserted; those upserts
//! hold the locks of the messages' rows, so nobody else settles the same message meanwhile. What is
//! shown is a function of what is stored, so it does not depend on order:
//! - The author with the lowest `author_version` owns the row; the claims of all others are kept
//!   apart in `waha_message_claims`, complete, so that whoever turns out to be first can take over.
//! - The text is the newest readable edit of the owner, else what the owner told.
//! - It is revoked from the earliest revocation on that is the owner's, or verified by WhatsApp.
//! - While nobody owns it (a stub), every edit and revocation counts.
//!
//! Few messages are concerned, so this costs ordinary ones nothing.

mod claims;
mod show;

use std::collections::{BTreeSet, HashMap};

use super::StoreError;
use super::ids::Known;
use super::select::{self, Owner};
use super::write::Writer;
use crate::change::{Changes, MessageKey};

impl Writer<'_> {
    /// Settles the messages of a batch that need it, and those that unions of people `moved`. Takes
    /// who owns each message that was told, and tells who does then.
    pub(super) async fn settle(
        &self,
        changes: &Changes,
        mut owners: HashMap<MessageKey, Owner>,
        moved: BTreeSet<MessageKey>,
        known: &Known,
    ) -> Result<HashMap<MessageKey, String>, StoreError> {
        let contested = contested(changes, &owners);
        if !contested.is_empty() {
            self.settle_claims(changes, &contested, known).await?;
            owners = select::message_owners(self.db, &changes.messages, known).await?;
        }
        let mut unsettled = contested;
        unsettled.extend(amended(changes));
        unsettled.extend(
            owners.iter().filter(|(_, owner)| owner.is_amended).map(|(key, _)| key.clone()),
        );
        for key in &moved {
            self.recount(known.chat(&key.chat)?, &key.message_id).await?;
        }
        unsettled.extend(moved);
        self.show(&unsettled, known).await?;
        Ok(owners.into_iter().map(|(key, owner)| (key, owner.author)).collect())
    }
}

/// Messages that somebody told who does not own them.
fn contested(changes: &Changes, owners: &HashMap<MessageKey, Owner>) -> BTreeSet<MessageKey> {
    let is_contested = |key: &MessageKey| {
        let owner = owners.get(key).map(|owner| &owner.author);
        changes.messages[key].told.keys().any(|author| Some(author) != owner)
    };
    changes.messages.keys().filter(|key| is_contested(key)).cloned().collect()
}

/// Messages that this batch edits or revokes.
pub(super) fn amended(changes: &Changes) -> BTreeSet<MessageKey> {
    let edited = changes.edits.keys().map(|key| &key.message);
    edited.chain(changes.revocations.keys().map(|key| &key.message)).cloned().collect()
}

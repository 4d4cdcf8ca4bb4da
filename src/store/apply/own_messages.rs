//! Where the account's own messages of direct chats are, so that what is told of one under another name
//! of its chat finds it: acks, its own edits and revocations, a second telling.
//!
//! The rows as a function of the webhooks. For each session and bare id B:
//! - *Own* is what our account told, edited and revoked in a chat `…@c.us` or `…@lid`, and acks of its
//!   messages there (`normalize/own`). All else stays in the chat that told it.
//! - The *home* of B is one name of a chat, of those that any own thing of B was told under: where the
//!   message was told before where it was only edited or revoked, and that before where it was only
//!   acknowledged; then a phone id before a LID; then the smallest. Names count as they were told,
//!   whoever they turn out to be: a link that comes later moves the conversation, never one message.
//! - All that is own of B is in the conversation that the home's name stands for (`identity`), merged by
//!   the rules of `change`. A stub waits in the same way as a message.
//!
//! So an ack alone makes a stub under the name it tells; the message takes it along wherever it is told.
//! A forged ack has an effect on its forger's chat, or, if he knows the id of a message in a direct chat,
//! on its status, and on nothing else: no witness that he can make comes before the message, and no two
//! names become one person by this.
//!
//! How two workers meet: the row of `waha_own_messages` holds the home and what has no row of its own (the
//! status, the time). Each that tells an own thing of B locks this row first of all but sessions, reads
//! the home under that lock, and holds it to its commit. Then it locks who the home stands for, with the
//! other people. If the home is another one than before, what is own leaves the former conversation
//! (`departures`): the row goes, unless others told something under that id, too, which then remains
//! as if the message had never been there (`received_rank` knows the status).
//!
//! Called by `write`.

mod departures;
mod locked;

use std::collections::{BTreeMap, HashMap};

use crate::change::merge::forward;
use crate::change::{Changes, ChatKey, ME, Merge, MessageKey, Named, Names, OwnMessageChange};
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::tables::own_message::OwnMessage;

pub(super) use departures::Departures;

/// Own messages by the ids of their sessions, in the order of their locks.
type OwnMessages = BTreeMap<(i64, String), OwnMessage>;

/// Where the own messages of a batch are.
#[derive(Default)]
pub(super) struct Homes {
    /// By what was told.
    homes: HashMap<MessageKey, MessageKey>,
    /// Places where they may be or may have been, with where they are.
    left: BTreeMap<MessageKey, MessageKey>,
}

/// Locks the own messages of the changes, and puts what was told of each to its home.
pub(super) async fn bring_home(
    context: &WriteContext<'_>,
    changes: &mut Changes,
    known: &KnownRows,
) -> Result<Homes, StoreError> {
    let told = std::mem::take(&mut changes.own_messages);
    if told.is_empty() {
        return Ok(Homes::default());
    }
    let before = locked::merge_and_lock(context, &own_messages(&told, known)?).await?;
    let mut homes = Homes::default();
    for (key, change) in told {
        let Some(own) = before.get(&place(&key, known)?) else { continue };
        let chat = |chat_id: &str| MessageKey {
            chat: ChatKey { chat_id: chat_id.to_owned(), ..key.chat.clone() },
            message_id: key.message_id.clone(),
        };
        let home = chat(&own.now.chat_id);
        changes.bring_home(&key, &home);
        forward(&mut changes.message(&home).own_status, own.now.status);
        let former = chat(&own.before.chat_id);
        if let Some(at) = own.now.told_at
            && (change.told_at.is_some() || former != home)
        {
            changes.chat(&home.chat).wrote(&home.message_id, at, true);
        }
        homes.add(changes, [former, key], home);
    }
    Ok(homes)
}

/// What is told, by message.
fn own_messages(
    told: &BTreeMap<MessageKey, OwnMessageChange>,
    known: &KnownRows,
) -> Result<OwnMessages, StoreError> {
    let mut all = OwnMessages::new();
    for (key, change) in told {
        all.merge_in([(place(key, known)?, OwnMessage::of(key, change))].into());
    }
    Ok(all)
}

fn place(key: &MessageKey, known: &KnownRows) -> Result<(i64, String), StoreError> {
    Ok((known.session(&key.chat.session)?, key.message_id.clone()))
}

impl Homes {
    fn add(&mut self, changes: &mut Changes, [former, told]: [MessageKey; 2], home: MessageKey) {
        for place in [former, told.clone()] {
            if place != home {
                // Whom it names is locked with all others, and its row is known.
                changes.chat(&place.chat);
                self.left.insert(place, home.clone());
            }
        }
        self.homes.insert(told, home);
    }

    /// Where what was told of a message may be.
    pub(super) fn places<'a>(
        &'a self,
        key: &'a MessageKey,
    ) -> impl Iterator<Item = &'a MessageKey> {
        self.homes.get(key).into_iter().chain([key])
    }

    /// Where a telling of this author went.
    pub(super) fn of<'a>(&'a self, key: &'a MessageKey, author: &str) -> &'a MessageKey {
        self.homes.get(key).filter(|_| author == ME).unwrap_or(key)
    }

    /// What has to leave, under the names that stand for people.
    pub(super) fn departures(&self, names: &Names) -> Departures {
        let renamed = |key: &MessageKey| {
            let mut key = key.clone();
            key.rename(names);
            key
        };
        let left = self.left.iter().map(|(place, home)| (renamed(place), renamed(home)));
        Departures::new(left.filter(|(place, home)| place != home).collect())
    }
}

//! Who is new comes into being in a short transaction before the batch's: sessions, people with all
//! their ids, chats.
//!
//! Made within the batch's, new rows would keep every other worker that meets the same people
//! waiting until it commits, and two of them in different orders would wait for one another.
//! Nothing but who exists and who is who is said here, which never changes back: it does no harm if
//! the batch fails after all, and says the same again when it is tried again.

use super::reread::Tellers;
use super::write::write_changes;
use crate::change::{Changes, ContactChange};
use crate::store::Store;
use crate::store::identity::known::KnownRows;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

impl Store {
    /// Makes rows for whom nobody has told of, and merges who turn out to be one; returns what is
    /// known then. SQLite has one writer at a time, who does this on the way.
    pub(in crate::store) async fn ensure_contacts(
        &self,
        changes: &Changes,
    ) -> Result<KnownRows, StoreError> {
        let known = self.known_of(changes);
        if self.dialect == Dialect::Sqlite || news(changes, &known).sessions.is_empty() {
            return Ok(known);
        }
        let _one_at_a_time = self.ensuring_contacts.lock().await;
        // Whoever was there before may have met the same.
        let known = self.known_of(changes);
        let news = news(changes, &known);
        if news.sessions.is_empty() {
            return Ok(known);
        }
        let transaction = self.begin().await?;
        let context = self.write_context(&transaction);
        let written = write_changes(&context, news, Tellers::default(), known).await?;
        let place = self.append_changes(&context).await?;
        self.commit(transaction, place, &written.known).await?;
        self.ids.learn(written.known.clone());
        Ok(written.known)
    }
}

/// Who exists and who is who, as far as it is news.
fn news(changes: &Changes, known: &KnownRows) -> Changes {
    let mut news = Changes::default();
    for key in changes.sessions.keys().filter(|key| !known.sessions.contains_key(key)) {
        news.session(key);
    }
    for key in changes.people().into_iter().filter(|key| !known.people.contains_key(key)) {
        news.session(&key.session);
        news.contacts.insert(key, ContactChange::default());
    }
    for link in changes.links.iter().filter(|link| !known.knows(link)) {
        news.session(&link.session);
        news.links.insert(link.clone());
    }
    for key in changes.chats.keys().filter(|key| !known.chats.contains_key(key)) {
        news.chat(key);
    }
    news
}

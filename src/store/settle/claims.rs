//! Who owns a message that several authors told, merged in memory by the rules of `change`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::ConnectionTrait;
use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

use crate::change::{Changes, Merge, MessageChange, MessageKey, Told};
use crate::store::StoreError;
use crate::store::ids::Known;
use crate::store::rows::{claim, message};
use crate::store::select;
use crate::store::write::Writer;

const TABLE: &str = "waha_message_claims";

/// What each author told of a message.
type Tellings = HashMap<MessageKey, BTreeMap<String, Told>>;

impl Writer<'_> {
    /// Gives each message to its owner, and keeps what the others told.
    pub(super) async fn settle_claims(
        &self,
        changes: &Changes,
        keys: &BTreeSet<MessageKey>,
        known: &Known,
    ) -> Result<(), StoreError> {
        let mut tellings = self.stored_tellings(keys, known).await?;
        let (mut rows, mut claims) = (Vec::new(), Vec::new());
        for key in keys {
            let mut told = tellings.remove(key).unwrap_or_default();
            told.merge_in(changes.messages[key].told.clone());
            let (session, chat) = (known.session(&key.chat.session)?, known.chat(&key.chat)?);
            let change = MessageChange { told, status: None };
            rows.push(message::row(session, chat, key, &change, true, self.now));
            let owner = change.owner().map(|(author, _)| author.to_owned());
            for (author, told) in change.told.iter().filter(|(it, _)| Some(*it) != owner.as_ref()) {
                claims.push(claim::row(chat, &key.message_id, author, told, self.now));
            }
            if let Some(owner) = owner {
                self.delete_claim(chat, key, &owner).await?;
            }
        }
        message::rewrite(self.dialect).run(self.db, rows).await?;
        Ok(claim::upsert(self.dialect).run(self.db, claims).await?)
    }

    /// What is stored of these messages, in their rows and beside them.
    async fn stored_tellings(
        &self,
        keys: &BTreeSet<MessageKey>,
        known: &Known,
    ) -> Result<Tellings, StoreError> {
        let mut tellings = Tellings::new();
        for (table, is_message) in [("waha_messages", true), (TABLE, false)] {
            for (key, row) in select::of_messages(self.db, table, keys, known).await? {
                let edited = is_message && row.try_get::<i64>("", "edited_version")? > 0;
                let text = if edited { "original_content" } else { "content" };
                if let Some((author, told)) = claim::read(&row, text)? {
                    let told = BTreeMap::from([(author, told)]);
                    tellings.entry(key.clone()).or_default().merge_in(told);
                }
            }
        }
        Ok(tellings)
    }

    /// The owner's claim is in the row itself.
    async fn delete_claim(&self, chat_id: i64, key: &MessageKey, owner: &str) -> Result<(), DbErr> {
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(TABLE))
            .and_where(Expr::col(Alias::new("chat_id")).eq(chat_id))
            .and_where(Expr::col(Alias::new("message_id")).eq(&key.message_id))
            .and_where(Expr::col(Alias::new("author")).eq(owner));
        self.db.execute(&delete).await.map(drop)
    }
}

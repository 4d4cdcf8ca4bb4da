//! The same rows, written by plain upserts with nothing around: no queue, no normalizing, no merge rules,
//! no question who is who.
//!
//! What stands in the tables after the worker is written again: in each transaction the ledger rows of
//! one batch, and of every other table as many rows as a batch of the worker tells of.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, IdenStatic, IntoActiveModel, Iterable, TransactionTrait,
};
use waha_ingest::change::{Changes, Merge};
use waha_ingest::config::Config;
use waha_ingest::normalize::{Normalized, normalize};
use waha_ingest::webhook::Webhook;

/// Rows of one upsert of the ledger, as many as the worker's batch.
const BATCH: usize = 500;

/// Empties all tables but those that others refer to, and writes their rows again.
pub async fn upserts(db: &DatabaseConnection, webhooks: &[Webhook]) -> Duration {
    let told: Vec<Changes> = webhooks.chunks(BATCH).map(told).collect();
    let mut tables = tables(db, &told).await;
    for table in &tables {
        table.empty(db).await;
    }
    let started = Instant::now();
    for _ in &told {
        let transaction = db.begin().await.expect("a transaction");
        for table in &mut tables {
            table.write(&transaction).await;
        }
        transaction.commit().await.expect("a commit");
    }
    started.elapsed()
}

/// What a batch of the worker tells.
fn told(webhooks: &[Webhook]) -> Changes {
    let rules = Config::load_defaults().expect("defaults").rules;
    let mut all = Changes::default();
    for webhook in webhooks {
        if let Ok(Normalized::Changes(changes)) = normalize(webhook, &rules) {
            all.merge_in(changes);
        }
    }
    all
}

/// The tables that most is written to, in the order in which a worker writes them.
async fn tables(db: &DatabaseConnection, told: &[Changes]) -> Vec<Box<dyn Table>> {
    macro_rules! table {
        ($table:ident($($key:ident),+), $count:expr) => {
            Box::new(Rows::<entity::$table::Entity> {
                models: entity::$table::Entity::find().all(db).await.expect("rows"),
                next: 0,
                key: vec![$(entity::$table::Column::$key),+],
                per_batch: told.iter().map($count).sum::<usize>().div_ceil(told.len()),
            }) as Box<dyn Table>
        };
    }
    vec![
        table!(webhook_events(Source, Session, EventType, WebhookId), |_| BATCH),
        table!(webhook_bodies(WebhookEventId), |_| BATCH),
        table!(waha_contacts(SessionId, Jid), |told| told.contacts.len()),
        table!(waha_own_messages(SessionId, MessageId), |told| told.own_messages.len()),
        table!(waha_messages(SessionId, ChatId, MessageId), |told| told.messages.len()),
        table!(waha_message_edits(ChatId, MessageId, Author, EditId), |told| told.edits.len()),
        table!(waha_message_revocations(ChatId, MessageId, Author), |told| told.revocations.len()),
        table!(waha_reactions(ChatId, MessageId, Reactor), |told| told.reactions.len()),
        table!(waha_poll_votes(ChatId, MessageId, Voter), |told| told.votes.len()),
        table!(waha_message_acks(ChatId, MessageId, Participant), |told| told.member_acks.len()),
        table!(waha_calls(SessionId, CallId), |told| told.calls.len()),
        table!(chat_reads(ChatId, Reader), |told| told.reads.len()),
        table!(waha_participants(ChatId, Jid), |told| told.participants.len()),
        table!(waha_chat_labels(ChatId, LabelId), |told| told.chat_labels.len()),
        table!(waha_chats(SessionId, ChatId), |told| told.chats.len()),
        table!(waha_sessions(Source, Name), |told| told.sessions.len()),
    ]
}

/// Rows that are written again, one after the other and from the first again.
struct Rows<E: EntityTrait> {
    models: Vec<E::Model>,
    next: usize,
    key: Vec<E::Column>,
    /// How many a batch writes on average. Always as many, so that a statement is prepared once.
    per_batch: usize,
}

#[async_trait]
trait Table: Send + Sync {
    async fn empty(&self, db: &DatabaseConnection);
    async fn write(&mut self, db: &DatabaseTransaction);
}

#[async_trait]
impl<E> Table for Rows<E>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Sync,
    E::ActiveModel: Send,
{
    async fn empty(&self, db: &DatabaseConnection) {
        let name = E::default().table_name().to_owned();
        // Rows of all others refer to these.
        if ["waha_sessions", "waha_chats"].contains(&name.as_str()) {
            return;
        }
        let empty = match db.get_database_backend() {
            // Deleted rows would stand in the way until they are vacuumed.
            DbBackend::Postgres => format!("TRUNCATE {name} CASCADE"),
            _ => format!("DELETE FROM {name}"),
        };
        db.execute_unprepared(&empty).await.expect("an empty table");
    }

    async fn write(&mut self, db: &DatabaseTransaction) {
        let count = self.per_batch.min(self.models.len());
        if count == 0 {
            return;
        }
        let again = self.models.iter().cycle().skip(self.next).take(count).cloned().map(fresh::<E>);
        let updated = E::Column::iter().filter(|column| {
            let is_key = self.key.iter().any(|key| key.as_str() == column.as_str());
            !is_key && !["id", "created_at"].contains(&column.as_str())
        });
        let conflict = OnConflict::columns(self.key.clone()).update_columns(updated).to_owned();
        let upsert = E::insert_many(again).on_conflict(conflict);
        upsert.exec_without_returning(db).await.expect("rows");
        self.next = (self.next + count) % self.models.len();
    }
}

/// A row to be inserted, with a new id.
fn fresh<E: EntityTrait>(model: E::Model) -> E::ActiveModel
where
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    let mut row = model.into_active_model();
    for column in E::Column::iter() {
        if column.as_str() == "id" {
            row.not_set(column);
        } else {
            row.reset(column);
        }
    }
    row
}

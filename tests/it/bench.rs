//! A store on a database of its own, to which webhooks are applied without HTTP and without a queue.

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use waha_ingest::config::Config;
use waha_ingest::normalize::{Rules, normalize};
use waha_ingest::store::Store;
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::webhook::Webhook;

use crate::app::{Extras, clock, open_store, open_store_with};
use crate::database::{Database, Kind};
use crate::rows::{Rows, rows};

/// A deadlock or a lock that is waited for too long is an outage: the worker tries again.
const TRIES_MAX: usize = 50;

/// Clones share the database, which vanishes with the last one.
#[derive(Clone)]
pub struct Bench {
    pub store: Arc<Store>,
    pub rules: Rules,
    database: Arc<Database>,
}

impl Bench {
    pub async fn start(kind: Kind) -> Self {
        let database = Database::create(kind).await;
        let store = open_store(&database, clock()).await;
        let rules = Config::load_defaults().unwrap().rules;
        Self { store, rules, database: Arc::new(database) }
    }

    /// Another worker's on the same database, which packs bodies.
    pub async fn packing(&self) -> Self {
        let store = open_store_with(Extras::packing(), &self.database.url, clock()).await;
        Self { store, ..self.clone() }
    }

    /// Applies a batch as a worker does.
    pub async fn apply(&self, batch: &[Webhook]) {
        let task = |webhook| ApplyTask {
            webhook,
            attempts: 1,
            normalized: normalize(webhook, &self.rules).unwrap(),
        };
        let tasks: Vec<ApplyTask<'_>> = batch.iter().map(task).collect();
        for _ in 0..TRIES_MAX {
            match self.store.apply(&tasks).await {
                Ok(_) => return,
                Err(error) if error.class().is_blameless() => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("no luck in {TRIES_MAX} tries");
    }

    pub async fn rows(&self) -> Rows {
        rows(&self.store.connection()).await
    }

    /// Removes all rows.
    pub async fn clear(&self) {
        for table in ["dead_letters", "webhook_bodies", "webhook_events", "waha_sessions"] {
            let sql = format!("DELETE FROM {table}");
            self.store.connection().execute_unprepared(&sql).await.unwrap();
        }
        self.store.forget_ids();
    }
}

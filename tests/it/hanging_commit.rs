//! A commit that waits for a synchronous standby which is away: it is told, nothing is acked, and nothing
//! is counted twice once the standby is there again.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::EntityTrait;
use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::normalize::{Rules, normalize};
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, Sent, history};
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::audit::{Actor, ActorChannel, AuditAction, AuditEntry};
use waha_ingest::store::sql::error::CommitError;
use waha_ingest::store::{Store, StoreError};
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

use crate::app::{clock, open_store, webhook};
use crate::database::Database;
use crate::postgres_pair::PostgresPair;
use crate::process::Setting;
use crate::rows::count;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const COUNT: usize = 60;

async fn start() -> (PostgresPair, Database) {
    let pair = PostgresPair::start();
    let database = Database::on_server(&pair.primary.url).await;
    migration::up(&database.connect().await).await.unwrap();
    pair.be_synchronous();
    (pair, database)
}

fn sent(count: usize) -> Vec<Sent> {
    history(&Plan { seed: 31, ..Plan::default() }).take(count).collect()
}

async fn readiness(setting: &Setting<'_>) -> Value {
    let client = http_client::plain().build().unwrap();
    let url = format!("http://127.0.0.1:{}/readyz", setting.admin_port);
    client.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_hangs_is_told_and_acks_nothing() {
    let (pair, database) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    pair.standby.order("freeze");
    let sending = setting.sending(8);
    let report = send_all(sending, sent(COUNT).into_iter(), || ()).await.unwrap();
    assert_eq!(report.accepted, COUNT as u64, "intake goes on");
    wait_for("a line in the log", PATIENCE, || async {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.contains("the commit got no answer within 10 s").then_some(())
    })
    .await;
    wait_for("readiness to say so", PATIENCE, || async {
        (readiness(&setting).await["dependencies"]["database"]["state"] == "down").then_some(())
    })
    .await;
    assert_eq!(setting.status()["waiting"], COUNT, "nothing is acked");
    pair.standby.order("thaw");
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["balanced"], &status["duplicate"]), (&true.into(), &0.into()), "{status}");
    let rows = entity::webhook_events::Entity::find().all(&database.connect().await).await.unwrap();
    assert_eq!(rows.len(), COUNT);
    assert!(rows.iter().all(|row| row.attempts == 1), "an outage is no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_commit_got_no_answer_is_counted_once() {
    let (pair, database) = start().await;
    let store = open_store(&database, clock()).await;
    let actor = Actor {
        name: "tester".to_owned(),
        channel: ActorChannel::Process,
        place: "here".to_owned(),
    };
    let log = store.record(&AuditEntry::new(AuditAction::Import, &actor)).await.unwrap();
    let webhooks: Vec<Webhook> = sent(COUNT).iter().map(webhook).collect();
    // Whom they tell of exists: that would be a transaction of its own, which would hang first.
    let known: Vec<Webhook> = webhooks.iter().map(under_another_id).collect();
    apply(&store, &known).await;
    pair.standby.order("freeze");
    let hung = import(&store, &webhooks, log).await;
    assert!(matches!(hung, Err(StoreError::Commit(CommitError::Unanswered))), "{hung:?}");
    // The second try waits for the first, which comes to be after all.
    let again = {
        let (store, webhooks) = (Arc::clone(&store), webhooks.clone());
        tokio::spawn(async move { import(&store, &webhooks, log).await })
    };
    let db = database.connect().await;
    let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait_for("the second try", PATIENCE, || async {
        (count(&db, waiting).await > 0).then_some(())
    })
    .await;
    pair.standby.order("thaw");
    again.await.unwrap().unwrap();
    let entry = entity::audit_logs::Entity::find_by_id(log).one(&db).await.unwrap().unwrap();
    assert_eq!(entry.affected, i64::try_from(COUNT).unwrap());
    assert_eq!(count(&db, "webhook_events").await, 2 * entry.affected);
    assert_eq!(count(&db, "webhook_duplicates").await, 0);
}

fn tasks(webhooks: &[Webhook]) -> Vec<ApplyTask<'_>> {
    let rules = Rules { user_id_key: "user.id".to_owned() };
    let normalized = |webhook| normalize(webhook, &rules).unwrap();
    let task = |webhook| ApplyTask { webhook, attempts: 1, normalized: normalized(webhook) };
    webhooks.iter().map(task).collect()
}

async fn apply(store: &Store, webhooks: &[Webhook]) {
    store.apply(&tasks(webhooks)).await.unwrap();
}

async fn import(store: &Store, webhooks: &[Webhook], log: i64) -> Result<(), StoreError> {
    store.apply_imported(&tasks(webhooks), log).await.map(drop)
}

fn under_another_id(webhook: &Webhook) -> Webhook {
    let key = webhook.key().clone();
    Webhook::from(WebhookParts {
        key: WebhookKey { id: format!("another-{}", key.id), ..key },
        receipt: Receipt::new(),
        at_ms: webhook.at_ms(),
        received_at_ms: webhook.received_at_ms(),
        replay: false,
        headers: webhook.headers().clone(),
        body: webhook.body().clone(),
    })
}

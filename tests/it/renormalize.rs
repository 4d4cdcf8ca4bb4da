//! History that was read by a normalizer which ignored everything fills the tables once it is read
//! again: the same rows as if it had been read so from the start, nothing doubled; beside traffic,
//! after a kill, and through an outage.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Order};
use tokio::sync::mpsc;
use waha_ingest::config::Config;
use waha_ingest::normalize::{Ignored, NORMALIZER_VERSION, Normalized, Rules};
use waha_ingest::renormalize::{RenormalizeCounts, Renormalizer};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::operations::history::{LedgerFilter, LedgerOutcome};
use waha_ingest::store::operations::page::RowPage;
use waha_ingest::store::{KeptFiles, Store, StoreOptions};
use waha_ingest::webhook::Webhook;

use crate::app::{TestApp, webhook};
use crate::database::{Kind, on_each_database};
use crate::rows::{assert_equal, count, rows};

on_each_database!(
    an_old_ledger_fills_the_tables_without_doubling,
    a_killed_run_beside_traffic_ends_in_the_same_rows,
    an_outage_is_waited_for,
    what_can_not_be_read_is_counted_and_left,
);

fn plan() -> Plan {
    // More webhooks than two pages, so that a run can be cut off between them.
    Plan { messages: 150, people: 12, groups: 2, families: Families::ALL, ..Plan::default() }
}

fn rules() -> Rules {
    Config::load_defaults().unwrap().rules
}

/// What the present normalizer would have made of a history.
async fn expected(kind: Kind, webhooks: &[Sent]) -> crate::rows::Rows {
    let app = TestApp::start(kind).await;
    app.publish_all(webhooks.iter().cloned()).await;
    app.work_until_idle().await;
    rows(app.db()).await
}

/// Writes ledger rows as a normalizer without rules for anything would have left them.
async fn ignore_all(store: &Store, webhooks: &[Webhook]) {
    let normalized = Normalized::Ignored(Ignored::UnknownEvent);
    let task = |webhook| ApplyTask { webhook, attempts: 1, normalized: normalized.clone() };
    let tasks: Vec<ApplyTask<'_>> = webhooks.iter().map(task).collect();
    store.apply(&tasks).await.unwrap();
    execute(store, "UPDATE webhook_events SET normalizer_version = 0").await;
}

async fn execute(store: &Store, sql: &str) {
    store.connection().execute_unprepared(sql).await.unwrap();
}

async fn renormalize(store: &Store, filter: LedgerFilter, writes: bool) -> RenormalizeCounts {
    let renormalizer = Renormalizer { store, rules: &rules(), writes, rate: None };
    renormalizer.run(filter, |_| ()).await.unwrap()
}

async fn an_old_ledger_fills_the_tables_without_doubling(kind: Kind) {
    let sent: Vec<Sent> = history(&plan()).collect();
    let expected = expected(kind, &sent).await;
    let app = TestApp::start(kind).await;
    ignore_all(&app.store, &sent.iter().map(webhook).collect::<Vec<_>>()).await;
    assert_eq!(count(app.db(), "waha_messages").await, 0);

    let planned = renormalize(&app.store, LedgerFilter::default(), false).await;
    assert_eq!(count(app.db(), "waha_messages").await, 0, "a dry run writes nothing");
    let calls = LedgerFilter { events: vec!["call.received".into()], ..LedgerFilter::default() };
    let some = renormalize(&app.store, calls, true).await;
    assert!(some.seen > 0 && some.ended.keys().all(|it| it.event_type == "call.received"));
    assert_eq!(count(app.db(), "waha_messages").await, 0, "other event types stay as they are");

    // Only those that the present normalizer has not seen: all but the calls.
    let old =
        LedgerFilter { normalizer_below: Some(NORMALIZER_VERSION), ..LedgerFilter::default() };
    let done = renormalize(&app.store, old.clone(), true).await;
    assert_eq!((done.seen + some.seen, done.failed), (sent.len(), 0));
    let total = |tally: &RenormalizeCounts| tally.ended.values().sum::<usize>();
    assert_eq!(total(&planned), total(&done) + total(&some));
    assert_equal(&expected, &rows(app.db()).await);
    assert_eq!(renormalize(&app.store, old, true).await.seen, 0, "nothing is left to read");
    renormalize(&app.store, LedgerFilter::default(), true).await;
    assert_equal(&expected, &rows(app.db()).await);
}

async fn a_killed_run_beside_traffic_ends_in_the_same_rows(kind: Kind) {
    let sent: Vec<Sent> = history(&plan()).collect();
    let expected = expected(kind, &sent).await;
    let app = TestApp::start(kind).await;
    // Every other webhook is history, the rest is traffic that comes meanwhile.
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (index, sent) in sent.into_iter().enumerate() {
        if index % 2 == 0 { old.push(webhook(&sent)) } else { new.push(sent) }
    }
    ignore_all(&app.store, &old).await;
    app.publish_all(new).await;
    let (cut, work) = tokio::join!(cut_off(Arc::clone(&app.store)), app.work_until_idle());
    let () = work;
    assert!(cut < old.len(), "it was cut off before its end");
    renormalize(&app.store, LedgerFilter::default(), true).await;
    assert_equal(&expected, &rows(app.db()).await);
}

/// Starts a run and kills it after its first part; returns how many rows that had.
async fn cut_off(store: Arc<Store>) -> usize {
    let (ticked, mut ticks) = mpsc::unbounded_channel();
    let run = tokio::spawn(async move {
        let renormalizer =
            Renormalizer { store: &store, rules: &rules(), writes: true, rate: None };
        renormalizer.run(LedgerFilter::default(), |count| ticked.send(count).unwrap_or(())).await
    });
    let first = ticks.recv().await.unwrap();
    run.abort();
    let _cancelled = run.await;
    first
}

async fn an_outage_is_waited_for(kind: Kind) {
    let sent: Vec<Sent> = history(&Plan { messages: 20, ..plan() }).collect();
    let expected = expected(kind, &sent).await;
    let app = TestApp::start(kind).await;
    ignore_all(&app.store, &sent.iter().map(webhook).collect::<Vec<_>>()).await;
    // A table that is missing is an outage: somebody is still migrating.
    execute(&app.store, "ALTER TABLE waha_chats RENAME TO away").await;
    let store = Arc::clone(&app.store);
    let mut run =
        tokio::spawn(
            async move { renormalize(&store, LedgerFilter::default(), true).await.failed },
        );
    let early = tokio::time::timeout(Duration::from_millis(500), &mut run).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    execute(&app.store, "ALTER TABLE away RENAME TO waha_chats").await;
    assert_eq!(run.await.unwrap(), 0);
    assert_equal(&expected, &rows(app.db()).await);
}

async fn what_can_not_be_read_is_counted_and_left(kind: Kind) {
    let sent: Vec<Sent> = history(&Plan { messages: 20, ..plan() }).collect();
    let app = TestApp::start(kind).await;
    ignore_all(&app.store, &sent.iter().map(webhook).collect::<Vec<_>>()).await;
    let all = app
        .store
        .history(&LedgerFilter::default(), RowPage::first(1_000), Order::Asc)
        .await
        .unwrap();
    let ids: Vec<i64> =
        all.iter().filter(|row| row.event_type == "message.any").map(|row| row.id).collect();
    let [bodiless, broken, dead, ..] = ids[..] else { panic!("too few messages") };
    execute(&app.store, &format!("UPDATE webhook_events SET body = NULL WHERE id = {bodiless}"))
        .await;
    let nonsense = if kind == Kind::Postgres { "'\\x7b'" } else { "X'7b'" };
    execute(
        &app.store,
        &format!("UPDATE webhook_events SET body = {nonsense} WHERE id = {broken}"),
    )
    .await;
    execute(
        &app.store,
        &format!("UPDATE webhook_events SET outcome = 'dead_lettered' WHERE id = {dead}"),
    )
    .await;

    let tally = renormalize(&app.store, LedgerFilter::default(), true).await;
    assert_eq!(tally.without_body.into_iter().collect::<Vec<_>>(), [("message.any".to_owned(), 1)]);
    assert_eq!((tally.dead_lettered, tally.failed, tally.failures[0].id), (1, 1, broken));
    let left = LedgerFilter { normalizer_below: Some(1), ..LedgerFilter::default() };
    let left = app.store.history(&left, RowPage::first(10), Order::Asc).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [bodiless, broken, dead]);
    let dead =
        LedgerFilter { outcomes: vec![LedgerOutcome::DeadLettered], ..LedgerFilter::default() };
    assert_eq!(app.store.history_groups(&dead).await.unwrap()[0].total, 1);
    store_without_bodies_keeps_those_that_are_there(&app).await;
}

/// Reading again must not take a body away, whatever the configuration says of new ones.
async fn store_without_bodies_keeps_those_that_are_there(app: &TestApp) {
    let options = StoreOptions {
        url: app.database_url.clone(),
        replica: None,
        connections_max: 2,
        keeps_bodies: false,
        keeps_ephemeral_bodies: false,
        packs_bodies: false,
        kept_files: KeptFiles::default(),
        notifies: false,
        moved_at_once: waha_ingest::store::MOVED_AT_ONCE,
    };
    let store = Store::open(&options, app.clock.clone()).await.unwrap();
    let bodies = async || {
        let groups = store.history_groups(&LedgerFilter::default()).await.unwrap();
        groups.iter().map(|group| group.with_body).sum::<i64>()
    };
    let before = bodies().await;
    renormalize(&store, LedgerFilter::default(), true).await;
    assert_eq!(bodies().await, before);
}

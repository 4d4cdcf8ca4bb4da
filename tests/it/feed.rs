//! The feed: whoever follows it from the beginning has what is in the tables, whatever happens; positions
//! are dense; what changes nothing is not in it. On each kind of database.

pub mod mirror;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use waha_ingest::simulate::{Families, Plan, Sent, history, shuffled};
use waha_ingest::store::Store;
use waha_ingest::store::operations::consumers::ConsumerKind;
use waha_ingest::store::operations::feed::{ChangeFilter, Cursor, FeedState, Gone};
use waha_ingest::webhook::Webhook;

use crate::app::{TestApp, clock, open_store, webhook};
use crate::database::{Kind, on_each_database};
use mirror::Mirror;

on_each_database!(
    a_follower_has_what_is_in_the_tables,
    positions_are_dense_while_many_write,
    what_changes_nothing_is_no_change,
    a_message_is_created_once_and_then_changes,
    a_new_release_of_waha_is_a_change,
    a_history_that_was_lost_gives_another_epoch,
);

const PATIENCE: Duration = Duration::from_secs(30);

fn plan(seed: u64) -> Plan {
    Plan { seed, messages: 120, people: 12, groups: 2, families: Families::ALL, ..Plan::default() }
}

/// One that reads after every few webhooks, and sees people and chats merge.
async fn a_follower_has_what_is_in_the_tables(kind: Kind) {
    for seed in 1..=3 {
        let mut app = TestApp::start(kind).await;
        app.worker.batch_max = 9;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut mirror = Mirror::default();
        let webhooks: Vec<Sent> = shuffled(seed, 400, 0.2, history(&plan(seed))).collect();
        let mut rest = webhooks.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rng.random_range(1..=rest.len().min(40)));
            app.publish_all(some.iter().cloned()).await;
            app.work_until_idle().await;
            mirror.follow(app.db()).await.unwrap();
            rest = others;
        }
        assert_eq!(mirror.difference(app.db()).await.unwrap(), None);
    }
}

/// Four workers and one that follows them all the time.
async fn positions_are_dense_while_many_write(kind: Kind) {
    let app = TestApp::start(kind).await;
    let is_over = AtomicBool::new(false);
    let writing = async {
        let all: Vec<Webhook> =
            shuffled(7, 200, 0.1, history(&plan(7))).map(|sent| webhook(&sent)).collect();
        let mut stores = vec![Arc::clone(&app.store)];
        for _ in 0..3 {
            stores.push(open_store(app.database(), clock()).await);
        }
        let share = all.len().div_ceil(stores.len());
        let workers = stores.iter().zip(all.chunks(share)).map(|(store, webhooks)| async move {
            for batch in webhooks.chunks(11) {
                crate::lid_merge::apply(store, &batch.iter().collect::<Vec<_>>()).await;
            }
        });
        futures_util::future::join_all(workers).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let following = async {
        let mut mirror = Mirror::default();
        loop {
            let was_over = is_over.load(Ordering::Relaxed);
            mirror.follow(app.db()).await.unwrap();
            if was_over {
                return mirror;
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), mirror) = tokio::join!(writing, following);
    assert_eq!(mirror.difference(app.db()).await.unwrap(), None);
    let positions: Vec<i64> = changes(&app).await.iter().map(|change| change.position).collect();
    let dense: Vec<i64> = (1..).take(positions.len()).collect();
    assert_eq!(positions, dense);
    assert_eq!(app.store.feed_state().await.unwrap().position, *positions.last().unwrap());
}

/// Neither a position nor the time of the last change of any row.
async fn what_changes_nothing_is_no_change(kind: Kind) {
    let app = TestApp::start(kind).await;
    let all: Vec<Webhook> = history(&plan(3)).map(|sent| webhook(&sent)).collect();
    let all: Vec<&Webhook> = all.iter().collect();
    crate::lid_merge::apply(&app.store, &all).await;
    let (before, state) = (times(&app).await, app.store.feed_state().await.unwrap());
    for statement in ["DELETE FROM webhook_duplicates", "DELETE FROM webhook_events"] {
        app.db().execute_unprepared(statement).await.unwrap();
    }
    // The same again, as `webhooks renormalize` does it.
    for batch in all.chunks(50) {
        crate::lid_merge::apply(&app.store, batch).await;
    }
    assert_eq!(app.store.feed_state().await.unwrap(), state);
    assert_eq!(times(&app).await, before);
}

async fn a_message_is_created_once_and_then_changes(kind: Kind) {
    let app = TestApp::start(kind).await;
    let event = |id: &str, event: &str, payload: serde_json::Value| {
        serde_json::json!({"id": id, "timestamp": 1_794_000_000_000_i64, "event": event,
            "session": "s", "payload": payload})
    };
    let (message, chat) = ("true_12025550142@c.us_3A1", "12025550142@c.us");
    let told = serde_json::json!({"id": message, "timestamp": 1_794_000_000, "from": "me@c.us",
        "to": chat, "fromMe": true, "body": "one", "ack": 1});
    let ack =
        |ack: i8| serde_json::json!({"id": message, "from": chat, "fromMe": true, "ack": ack});
    let mut kinds = Vec::new();
    for (number, (name, payload)) in [
        ("message.ack", ack(2)),
        ("message.any", told.clone()),
        ("message.any", told),
        ("message.ack", ack(3)),
    ]
    .into_iter()
    .enumerate()
    {
        app.post_json(&event(&format!("evt_{number}"), name, payload)).await;
        app.work_until_idle().await;
        let all = changes(&app).await;
        let of_messages = all.iter().filter(|change| change.kind.starts_with("message"));
        kinds.push(of_messages.map(|change| change.kind.clone()).collect::<Vec<_>>());
    }
    let none: [&str; 0] = [];
    assert_eq!(kinds[0], none, "a stub is no message");
    assert_eq!(kinds[1], ["message.created"]);
    assert_eq!(kinds[2], ["message.created"], "told twice");
    assert_eq!(kinds[3], ["message.created", "message.status"]);
}

/// The one version that is no bookkeeping.
async fn a_new_release_of_waha_is_a_change(kind: Kind) {
    let app = TestApp::start(kind).await;
    let mut told = Vec::new();
    for (number, release) in (0_i64..).zip(["2026.4.1", "2026.8.2"]) {
        app.post_json(&serde_json::json!({
            "id": format!("evt_{number}"), "timestamp": 1_794_000_000_000 + number * 86_400_000,
            "event": "message.any", "session": "s", "engine": "GOWS",
            "environment": {"version": release, "engine": "GOWS", "tier": "PLUS"},
            "payload": {"id": "false_12025550142@c.us_3A1", "timestamp": 1_794_000_000,
                        "from": "12025550142@c.us", "fromMe": false, "body": "one"},
        }))
        .await;
        app.work_until_idle().await;
        let all = changes(&app).await;
        told.push(all.iter().filter(|change| change.kind == "session").count());
    }
    assert_eq!(told[1], told[0] + 1, "{told:?}");
}

/// As after a failover to a standby that lacks the last commits: positions are given out a second time. The
/// other process, which has seen as much, finds the new epoch and leaves it.
async fn a_history_that_was_lost_gives_another_epoch(kind: Kind) {
    let app = TestApp::start(kind).await;
    let other = open_store(app.database(), clock()).await;
    app.store.register_consumer("crm", ConsumerKind::Webhook).await.unwrap();
    let all: Vec<Webhook> = history(&plan(5)).map(|sent| webhook(&sent)).collect();
    let mut parts = all.chunks(all.len().div_ceil(4)).map(|part| part.iter().collect::<Vec<_>>());
    let mut apply_to = async |store: &Arc<Store>| {
        crate::lid_merge::apply(store, &parts.next().unwrap()).await;
        app.store.feed_state().await.unwrap()
    };
    apply_to(&app.store).await;
    let before = apply_to(&other).await;
    let kept = before.position - 7;
    for sql in [
        format!("DELETE FROM waha_changes WHERE position > {kept}"),
        format!("UPDATE waha_feed SET position = {kept}"),
    ] {
        app.db().execute_unprepared(&sql).await.unwrap();
    }
    let after = apply_to(&other).await;
    assert_ne!(after.epoch, before.epoch);
    let last = apply_to(&app.store).await;
    assert_eq!(last.epoch, after.epoch);
    let positions: Vec<i64> = changes(&app).await.iter().map(|change| change.position).collect();
    assert_eq!(positions, (1..=last.position).collect::<Vec<_>>());
    let follower = Cursor { after: before.position, epoch: Some(&before.epoch) };
    assert!(matches!(last.check(follower), Err(Gone::OtherEpoch { .. })));
    let consumer = app.store.consumer("crm").await.unwrap().unwrap();
    assert_eq!(consumer.epoch, last.epoch, "what is in the database goes on");
}

async fn changes(app: &TestApp) -> Vec<entity::waha_changes::Model> {
    use entity::waha_changes::{Column, Entity};
    Entity::find().order_by_asc(Column::Position).all(app.db()).await.unwrap()
}

/// When each row was last changed.
async fn times(app: &TestApp) -> Vec<String> {
    let mut times = Vec::new();
    for table in mirror::tables().into_keys() {
        let sql = format!("SELECT id, updated_at FROM {table} ORDER BY id");
        let select = sea_orm::Statement::from_string(app.db().get_database_backend(), sql);
        for row in app.db().query_all_raw(select).await.unwrap() {
            let [id, at] = ["id", "updated_at"].map(|column| crate::rows::value(&row, column));
            times.push(format!("{table} {id} {at}"));
        }
    }
    times
}

/// All that comes after a position.
pub async fn read_all(
    store: &waha_ingest::store::Store,
    after: i64,
) -> (FeedState, Vec<entity::waha_changes::Model>) {
    let state = store.feed_state().await.unwrap();
    state.check(Cursor { after, epoch: None }).unwrap();
    let (mut all, mut position) = (Vec::new(), after);
    while position < state.position {
        let cursor = Cursor { after: position, epoch: None };
        let page = store.changes_after(&state, cursor, &ChangeFilter::default(), 100).await;
        let page = page.unwrap().unwrap();
        position = page.position;
        all.extend(page.changes);
    }
    (state, all)
}

/// Whoever listens is woken by each commit, and told how far the feed is.
#[tokio::test]
async fn postgres_wakes_who_listens() {
    let app = TestApp::start(Kind::Postgres).await;
    let mut listener = PgListener::connect(&app.database().url).await.unwrap();
    listener.listen("waha_changes").await.unwrap();
    for seed in 1..=3 {
        app.publish_all(history(&plan(seed)).take(20)).await;
        app.work_until_idle().await;
        let newest = app.store.feed_state().await.unwrap().position;
        let mut told = 0;
        while told < newest {
            let woken = tokio::time::timeout(PATIENCE, listener.recv()).await;
            told = woken.expect("a wake-up").unwrap().payload().parse().unwrap();
        }
        assert_eq!(told, newest);
    }
}

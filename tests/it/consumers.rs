//! Applications that the feed is delivered to: each gets every change, in order, whatever happens to workers
//! and to itself. On each kind of database.

mod api;
mod command;
mod exchange;
pub mod receiver;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waha_ingest::consumers::signature::{Secret, SecretsInForce};
use waha_ingest::consumers::webhook::WebhookOptions;
use waha_ingest::consumers::{Consumer, Delivery, Timing, Way, WebhookWay};
use waha_ingest::metrics::consumers::ConsumerMetrics;
use waha_ingest::retention::RetentionKind;
use waha_ingest::simulate::{Families, Plan, history, shuffled};
use waha_ingest::store::Store;
use waha_ingest::store::audit::{Actor, ActorChannel};
use waha_ingest::store::feed::ChangeKind;
use waha_ingest::store::operations::consumers::{ConsumerRow, SessionName, Subscription};
use waha_ingest::store::operations::feed::{ChangeFilter, ChangePage, ROWS_BYTES_MAX};
use waha_ingest::webhook::Webhook;

use entity::waha_changes;

use crate::app::{TestApp, clock, open_store, webhook};
use crate::database::{Kind, on_each_database};
use crate::last_messages::{PHONE, message};
use crate::wait::wait_for;
use receiver::{Got, Receiver};

on_each_database!(
    workers_that_die_deliver_all_in_order,
    a_receiver_that_was_away_gets_what_it_missed,
    a_receiver_that_wants_no_more_is_left_alone,
    a_rewound_consumer_gets_the_same_under_other_ids,
    a_skipped_change_is_left_out,
    a_change_that_nobody_takes_hangs_alone,
    batches_and_pages_are_bounded_by_bytes,
    what_was_cut_off_is_gone_and_says_so,
    a_consumer_gets_what_its_filter_lets_through,
    rows_are_told_whole
);

/// Each change is a request, and each seventh fails: long on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const NAME: &str = "crm";
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "another secret of some length";

/// A consumer's task.
pub struct Running {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Running {
    pub fn start(store: &Arc<Store>, consumer: Consumer, owner: &str) -> Self {
        let stop = CancellationToken::new();
        let timing = Timing {
            poll: Duration::from_millis(20),
            lease: Duration::from_secs(3),
            retry_longest: Duration::from_millis(200),
        };
        let metrics = ConsumerMetrics::new();
        let (store, owner) = (Arc::clone(store), owner.to_owned());
        let delivery = Delivery::new(store, clock(), consumer, metrics, timing, owner);
        Self { task: tokio::spawn(delivery.run(stop.clone())), stop }
    }

    /// As if its process were killed: nothing is given back.
    pub fn kill(self) {
        self.task.abort();
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn consumer(receiver: &Receiver) -> Consumer {
    signed_by(receiver, &[SECRET], 1)
}

fn signed_by(receiver: &Receiver, secrets: &[&str], batch_max: u64) -> Consumer {
    let in_force = Arc::new(SecretsInForce::default());
    let parse = |text: &&str| Secret::parse(&SecretString::from(*text)).unwrap();
    in_force.replace(NAME, secrets.iter().map(parse).collect());
    let options = WebhookOptions {
        consumer: NAME.to_owned(),
        url: receiver.url.parse().unwrap(),
        // What is late on a busy machine is not taken twice.
        timeout: Duration::from_secs(20),
        secrets: in_force,
        is_batched: batch_max > 1,
        ca_pem: None,
    };
    Consumer {
        name: NAME.to_owned(),
        way: Way::Webhook(WebhookWay::new(options).unwrap()),
        subscription: Subscription::default(),
        batch_max,
        batch_bytes_max: ROWS_BYTES_MAX,
    }
}

fn actor() -> Actor {
    Actor { name: "ada".into(), channel: ActorChannel::Cli, place: "here".into() }
}

fn plan(seed: u64, messages: u32) -> Plan {
    Plan { seed, messages, people: 12, groups: 2, families: Families::ALL, ..Plan::default() }
}

/// Writes with several workers at a time, so that people and chats merge meanwhile.
pub async fn write(app: &TestApp, seed: u64, messages: u32) {
    let all = shuffled(seed, 200, 0.1, history(&plan(seed, messages)));
    let all: Vec<Webhook> = all.map(|sent| webhook(&sent)).collect();
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
}

async fn row(store: &Store) -> ConsumerRow {
    store.consumer(NAME).await.unwrap().unwrap()
}

async fn until(store: &Store, what: &str, is_so: impl Fn(&ConsumerRow) -> bool) -> ConsumerRow {
    wait_for(what, PATIENCE, async || store.consumer(NAME).await.unwrap().filter(|row| is_so(row)))
        .await
}

/// Waits until the consumer has all that the feed has now; returns how far that is.
pub async fn until_delivered(store: &Store, name: &str) -> i64 {
    let newest = store.feed_state().await.unwrap().position;
    wait_for("all to be delivered", PATIENCE, || async {
        let row = store.consumer(name).await.unwrap();
        row.filter(|row| row.position >= newest)
    })
    .await;
    newest
}

/// Registers it before anything is written.
async fn register(store: &Store) {
    use waha_ingest::store::operations::consumers::ConsumerKind;
    store.register_consumer(NAME, ConsumerKind::Webhook).await.unwrap();
}

/// Two processes deliver for one consumer; the one that has the lease is killed while four workers write, and
/// the receiver fails now and then.
async fn workers_that_die_deliver_all_in_order(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    receiver.fail_each(7);
    register(&app.store).await;
    let other = open_store(app.database(), clock()).await;
    let third = open_store(app.database(), clock()).await;
    let first = Running::start(&app.store, consumer(&receiver), "one");
    let second = Running::start(&other, signed_by(&receiver, &[SECRET], 20), "two");
    let killing = async {
        wait_for("some to be delivered", PATIENCE, || async {
            (receiver.taken().len() > 30).then_some(())
        })
        .await;
        if row(&app.store).await.lease_owner.as_deref() == Some("one") {
            first.kill();
            (second, Running::start(&third, consumer(&receiver), "three"))
        } else {
            second.kill();
            (first, Running::start(&third, consumer(&receiver), "three"))
        }
    };
    let ((), (survivor, new)) = tokio::join!(write(&app, 5, 60), killing);
    let newest = until_delivered(&app.store, NAME).await;
    assert_eq!(receiver.positions(), (1..=newest).collect::<Vec<_>>(), "all, in order");
    survivor.stop().await;
    new.stop().await;
    assert_eq!(row(&app.store).await.lease_owner, None, "given back");
}

async fn a_receiver_that_was_away_gets_what_it_missed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    register(&app.store).await;
    write(&app, 1, 3).await;
    receiver.answer(500);
    let running = Running::start(&app.store, signed_by(&receiver, &[SECRET, NEW_SECRET], 1), "one");
    let failing = until(&app.store, "a failure", |row| row.failing_since.is_some()).await;
    assert_eq!(failing.position, 0);
    let error = failing.last_error.unwrap();
    assert!(error.contains("500"), "{error}");
    receiver.redirect(&elsewhere.url);
    let redirected = |row: &ConsumerRow| {
        row.last_error.as_deref().is_some_and(|error| error.contains("redirects are not followed"))
    };
    until(&app.store, "a redirect", redirected).await;
    receiver.answer(304);
    let unchanged = |row: &ConsumerRow| {
        row.last_error.as_deref().is_some_and(|it| it.contains("304") && !it.contains("redirect"))
    };
    until(&app.store, "no redirect", unchanged).await;
    receiver.answer(200);
    let newest = until_delivered(&app.store, NAME).await;
    assert_eq!(elsewhere.got().len(), 0, "followed");
    let back = row(&app.store).await;
    assert_eq!((back.failing_since, back.last_error, back.next_try_at), (None, None, None));
    assert_eq!(receiver.positions(), (1..=newest).collect::<Vec<_>>());
    let tries: Vec<_> = receiver.got().into_iter().filter(|got| got.position() == 1).collect();
    assert!(tries.len() > 2 && tries.iter().all(|got| got.id == tries[0].id), "one id");
    for got in receiver.got() {
        let signed = format!("{}.{}.{}", got.id, got.timestamp, got.body);
        let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let expected = [key, NEW_SECRET.as_bytes().to_vec()].map(|key| {
            let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&signed);
            format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
        });
        assert_eq!(got.signatures, expected);
    }
    running.stop().await;
}

async fn a_receiver_that_wants_no_more_is_left_alone(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    receiver.answer(410);
    register(&app.store).await;
    let running = Running::start(&app.store, consumer(&receiver), "one");
    write(&app, 1, 2).await;
    let paused = until(&app.store, "a pause", |row| row.state == "paused").await;
    assert!(paused.reason.unwrap().contains("410"));
    assert_eq!(receiver.got().len(), 1);
    receiver.answer(200);
    app.store.resume_consumer(NAME, &actor()).await.unwrap().unwrap();
    let newest = until_delivered(&app.store, NAME).await;
    assert_eq!(i64::try_from(receiver.positions().len()).unwrap(), newest);
    let note = Some("moving");
    let paused = app.store.pause_consumer(NAME, note, &actor()).await.unwrap().unwrap();
    assert_eq!((paused.state.as_str(), paused.reason.as_deref()), ("paused", Some("moving")));
    running.stop().await;
}

async fn a_rewound_consumer_gets_the_same_under_other_ids(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    register(&app.store).await;
    let running = Running::start(&app.store, consumer(&receiver), "one");
    write(&app, 1, 3).await;
    let newest = until_delivered(&app.store, NAME).await;
    let before: Vec<_> = receiver.got();
    app.store.rewind_consumer(NAME, newest - 2, &actor()).await.unwrap().unwrap();
    wait_for("two more", PATIENCE, || async {
        (receiver.got().len() == before.len() + 2).then_some(())
    })
    .await;
    let again = receiver.got().split_off(before.len());
    for (again, before) in again.iter().zip(&before[before.len() - 2..]) {
        assert_eq!(again.position(), before.position());
        assert_ne!(again.id, before.id);
        let epoch = app.store.feed_state().await.unwrap().epoch;
        assert_eq!(again.id, format!("{epoch}_{}_1", again.position()));
    }
    let refused = app.store.rewind_consumer(NAME, newest + 1, &actor()).await.unwrap();
    assert!(refused.unwrap_err().to_string().contains("ahead of the feed"));
    running.stop().await;
    // One that had read the row before the rewind moves nothing.
    let old = row(&app.store).await;
    app.store.rewind_consumer(NAME, 1, &actor()).await.unwrap().unwrap();
    assert_eq!(app.store.advance_consumer(&old, newest, true).await.unwrap(), None);
    assert_eq!(row(&app.store).await.position, 1);
    let logs = app.store.audit_logs(Some("rewind"), None, 10).await.unwrap();
    assert_eq!((logs.len(), logs[0].actor.as_str()), (2, "ada"));
}

async fn a_skipped_change_is_left_out(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    receiver.answer(422);
    register(&app.store).await;
    let running = Running::start(&app.store, consumer(&receiver), "one");
    write(&app, 1, 2).await;
    until(&app.store, "a failure", |row| row.failing_since.is_some()).await;
    let all = ChangeFilter::default();
    let skipped = skip(&app.store, &all).await;
    assert_eq!(skipped.position, 1);
    until(&app.store, "the next", |row| row.position == 1 && row.failing_since.is_some()).await;
    receiver.answer(200);
    let newest = until_delivered(&app.store, NAME).await;
    let taken: Vec<_> =
        receiver.taken().iter().map(|it| it["position"].as_i64().unwrap()).collect();
    assert_eq!(taken, (2..=newest).collect::<Vec<_>>());
    running.stop().await;
}

async fn skip(store: &Store, filter: &ChangeFilter) -> ConsumerRow {
    let next = store.next_change_of(NAME, filter).await.unwrap().unwrap();
    assert_eq!(next.change.position, next.consumer.position + 1);
    store.skip_change(&next, &actor()).await.unwrap().unwrap()
}

/// Of a batch the others get through, and the one that is left out is the one that was refused.
async fn a_change_that_nobody_takes_hangs_alone(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    register(&app.store).await;
    write(&app, 1, 20).await;
    let newest = app.store.feed_state().await.unwrap().position;
    let poison = newest / 2;
    receiver.refuse(poison);
    let running = Running::start(&app.store, signed_by(&receiver, &[SECRET], 20), "one");
    let named = format!("(position {poison})");
    let hangs = until(&app.store, "the one", |row| {
        row.last_error.as_deref().is_some_and(|error| error.ends_with(&named))
    });
    assert_eq!(hangs.await.position, poison - 1);
    assert!(receiver.got()[0].changes().len() > 1, "a batch at first");
    assert_eq!(skip(&app.store, &ChangeFilter::default()).await.position, poison);
    until_delivered(&app.store, NAME).await;
    let taken: Vec<_> =
        receiver.taken().iter().map(|it| it["position"].as_i64().unwrap()).collect();
    let expected: Vec<_> = (1..=newest).filter(|position| *position != poison).collect();
    assert_eq!(taken, expected);
    let is_last_alone = |got: &Got| got.changes().iter().any(|it| it["position"] == poison);
    let after = receiver.got().into_iter().rev().take_while(|got| !is_last_alone(got));
    assert!(after.map(|got| got.changes().len()).max() > Some(1), "and in the end");
    running.stop().await;
}

async fn batches_and_pages_are_bounded_by_bytes(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    register(&app.store).await;
    for number in 1..=6 {
        let mut webhook = message(PHONE, &format!("3EB0A{number}"), false, number);
        if number % 2 == 0 {
            webhook["payload"]["body"] = "ö".repeat(4_000).into();
        }
        app.post_json(&webhook).await;
    }
    app.work_until_idle().await;
    assert_pages_are_bounded(&app.store, 6_000).await;
    let bytes_max = 6_000;
    let consumer = Consumer { batch_bytes_max: bytes_max, ..signed_by(&receiver, &[SECRET], 100) };
    let running = Running::start(&app.store, consumer, "one");
    let newest = until_delivered(&app.store, NAME).await;
    assert_eq!(receiver.positions(), (1..=newest).collect::<Vec<_>>());
    let sizes: Vec<_> =
        receiver.got().iter().map(|got| (got.changes().len(), got.body.len())).collect();
    let is_bounded = |(count, bytes): &(usize, usize)| *count == 1 || *bytes <= 6_000;
    assert!(sizes.iter().all(is_bounded), "{sizes:?}");
    assert!(sizes.iter().any(|(count, _)| *count > 1), "{sizes:?}");
    assert!(sizes.iter().any(|(_, bytes)| *bytes > 8_000), "{sizes:?}");
    running.stop().await;
}

/// Each position is told once, however few a page has.
async fn assert_pages_are_bounded(store: &Store, bytes_max: u64) {
    let (state, all) = crate::feed::read_all(store, 0).await;
    let newest = state.position;
    let (mut after, mut told) = (0, Vec::new());
    while after < newest {
        let changes: Vec<_> = all.iter().filter(|it| it.position > after).cloned().collect();
        let page = ChangePage { changes, position: newest };
        let page = store.with_rows(page, bytes_max).await.unwrap();
        let texts = page.changes.iter().filter_map(|it| it.row.as_ref()?["content"].as_str());
        let bytes: usize = texts.map(str::len).sum();
        assert!(page.changes.len() == 1 || bytes < 6_000, "{} with {bytes}", page.changes.len());
        told.extend(page.changes.iter().map(|it| it.change.position));
        after = page.position;
    }
    assert_eq!(told, all.iter().map(|it| it.position).collect::<Vec<_>>());
    assert!(told.len() > 6, "{told:?}");
}

async fn what_was_cut_off_is_gone_and_says_so(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    register(&app.store).await;
    write(&app, 1, 40).await;
    let newest = app.store.feed_state().await.unwrap().position;
    let day = Duration::from_hours(24);
    app.cleaner().let_go(RetentionKind::Changes, day).await.unwrap();
    assert_eq!(app.store.feed_state().await.unwrap().oldest_position, 1, "nothing is old");
    app.clock.advance(2 * 24 * 60 * 60 * 1000);
    app.cleaner().let_go(RetentionKind::Changes, day).await.unwrap();
    let state = app.store.feed_state().await.unwrap();
    assert_eq!((state.oldest_position, state.position), (newest, newest), "the newest stays");
    let running = Running::start(&app.store, consumer(&receiver), "one");
    let gone = until(&app.store, "the end", |row| row.state == "gone").await;
    assert!(gone.reason.unwrap().contains("read the tables"));
    let refused = app.store.resume_consumer(NAME, &actor()).await.unwrap();
    assert!(refused.unwrap_err().to_string().contains("read the tables"));
    app.store.rewind_consumer(NAME, newest - 1, &actor()).await.unwrap().unwrap();
    until_delivered(&app.store, NAME).await;
    assert_eq!(receiver.positions(), [newest]);
    running.stop().await;
}

async fn a_consumer_gets_what_its_filter_lets_through(kind: Kind) {
    let app = TestApp::start(kind).await;
    let receiver = Receiver::start();
    register(&app.store).await;
    write(&app, 1, 20).await;
    let (_, all) = crate::feed::read_all(&app.store, 0).await;
    let is_created = |change: &&waha_changes::Model| change.kind == "message.created";
    let id = all.iter().find(is_created).unwrap().session_id;
    let session = app.store.session_names([id]).await.unwrap()[0].1.clone();
    let is_wanted = |change: &&waha_changes::Model| is_created(change) && change.session_id == id;
    let expected: Vec<i64> = all.iter().filter(is_wanted).map(|it| it.position).collect();
    let wanted = Consumer {
        subscription: Subscription {
            kinds: vec![ChangeKind::MessageCreated],
            sessions: vec![session.clone(), SessionName { name: "none".into(), ..session.clone() }],
        },
        ..signed_by(&receiver, &[SECRET], 10)
    };
    let running = Running::start(&app.store, wanted, "one");
    until_delivered(&app.store, NAME).await;
    let taken = receiver.taken();
    assert_eq!(receiver.positions(), expected);
    assert!(expected.len() > 1 && expected.len() < all.len());
    for change in &taken {
        assert_eq!(change["kind"], "message.created");
        assert_eq!(
            (&change["source"], &change["session"]),
            (&Value::from(session.source.clone()), &Value::from(session.name.clone()),)
        );
    }
    assert!(receiver.got().iter().any(|got| got.changes().len() > 1), "batches");
    running.stop().await;
}

/// Every column that is not bookkeeping, of every table.
async fn rows_are_told_whole(kind: Kind) {
    let app = TestApp::start(kind).await;
    write(&app, 3, 200).await;
    let (_, changes) = crate::feed::read_all(&app.store, 0).await;
    let mut tables = std::collections::BTreeSet::new();
    for page in changes.chunks(500) {
        let page = ChangePage { changes: page.to_vec(), position: 0 };
        for told in app.store.with_rows(page, u64::MAX).await.unwrap().changes {
            let kind = ChangeKind::of(&told.change.kind).unwrap();
            let is_message = kind.table() == "waha_messages";
            let Some(row) = told.row else {
                assert!(!is_message || told.merged_into.is_some(), "{:?}", told.change);
                continue;
            };
            assert_eq!(row["id"], told.change.row_id);
            if tables.insert(kind.table()) {
                assert_same(&app, kind, &row).await;
            }
        }
    }
    assert!(tables.len() > 10, "{tables:?}");
}

async fn assert_same(app: &TestApp, kind: ChangeKind, told: &Value) {
    use sea_orm::{ConnectionTrait, Statement};
    let table = match kind.table() {
        "waha_messages" => "waha_visible_messages",
        table => table,
    };
    let sql = format!("SELECT * FROM {table} WHERE id = {}", told["id"]);
    let select = Statement::from_string(app.db().get_database_backend(), sql);
    let row = app.db().query_one_raw(select).await.unwrap().unwrap();
    for column in row.column_names() {
        let is_version = column.ends_with("version") && column != "waha_version";
        if is_version || column.ends_with("_rank") || column == "is_amended" {
            assert!(told.get(&column).is_none(), "{table}.{column}");
            continue;
        }
        let stored = crate::rows::value(&row, &column);
        match &told[&column] {
            Value::Null => assert_eq!(stored, "-", "{table}.{column}"),
            Value::Bool(flag) => assert_eq!(stored, i32::from(*flag).to_string()),
            Value::Number(number) => assert_eq!(stored, number.to_string(), "{table}.{column}"),
            Value::String(text) if column == "at" || column.ends_with("_at") => {
                let at: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
                assert_eq!(stored, format!("{at:?}"), "{table}.{column}");
            }
            Value::String(text) => assert_eq!(&stored, text, "{table}.{column}"),
            other => panic!("{table}.{column}: {other}"),
        }
    }
}

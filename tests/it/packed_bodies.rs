//! Bodies that are packed and apart from the ledger are the same bodies: for whoever reads, searches, exports or
//! lets go of them, while they are moved, and after a kill in the middle. What is damaged is said by its row.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ColumnTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder};
use waha_ingest::body_codec::{SHIPPED, UnpackError};
use waha_ingest::config::Config;
use waha_ingest::normalize::normalize;
use waha_ingest::operations::export_webhooks;
use waha_ingest::packing::pack_all;
use waha_ingest::renormalize::{RenormalizeCounts, Renormalizer};
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::Store;
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::bodies::BodyError;
use waha_ingest::store::operations::history::LedgerFilter;
use waha_ingest::store::operations::page::RowPage;

use entity::{webhook_bodies, webhook_dictionaries, webhook_events};

use crate::app::{Extras, TestApp, open_store_with, webhook};
use crate::database::{Kind, on_each_database};
use crate::process::Setting;
use crate::retention::forget;
use crate::rows::{assert_equal, count, rows};
use crate::wait::wait_for;

on_each_database!(
    whoever_asks_finds_the_same,
    bodies_are_read_at_every_instant_of_a_move,
    a_move_goes_on_where_it_was,
    a_kill_in_the_middle_of_a_move_loses_nothing,
    what_is_let_go_of_does_not_come_back,
    what_is_damaged_is_said_by_its_row,
    a_dictionary_of_another_release_is_read_from_the_tables,
    switched_back_nothing_is_stored_twice,
    delivered_again_to_a_worker_that_packs_a_body_stays_where_it_is,
);

const PATIENCE: Duration = Duration::from_secs(120);

fn webhooks(messages: u32) -> Vec<Sent> {
    let plan = Plan { messages, people: 8, groups: 2, families: Families::ALL, ..Plan::default() };
    history(&plan).collect()
}

async fn applied(app: &TestApp, webhooks: &[Sent]) {
    app.publish_all(webhooks.iter().cloned()).await;
    app.work_until_idle().await;
}

/// Bodies by event type and webhook id, in the order of the ledger.
async fn bodies(store: &Store) -> BTreeMap<(String, String), Bytes> {
    let page = RowPage::first(100_000);
    let rows = store.history(&LedgerFilter::default(), page, Order::Asc).await.unwrap();
    let mut all = BTreeMap::new();
    for rows in rows.chunks(500) {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut found = store.bodies(&ids).await.unwrap();
        for row in rows {
            let Some(body) = found.remove(&row.id) else { continue };
            let body = body.unwrap();
            assert_eq!(row.body_bytes, Some(i64::try_from(body.len()).unwrap()));
            all.insert((row.event_type.clone(), row.webhook_id.clone()), body);
        }
    }
    all
}

async fn plain(app: &TestApp) -> u64 {
    let has_body = webhook_events::Column::Body.is_not_null();
    webhook_events::Entity::find().filter(has_body).count(app.db()).await.unwrap()
}

async fn packed(app: &TestApp) -> i64 {
    count(app.db(), "webhook_bodies").await
}

async fn renormalize(store: &Store) -> RenormalizeCounts {
    let rules = Config::load_defaults().unwrap().rules;
    let again = Renormalizer { store, rules: &rules, writes: true, rate: None };
    again.run(LedgerFilter::default(), |_| ()).await.unwrap()
}

/// What filters name in bodies, and how many rows that is.
async fn named(store: &Store, filter: &LedgerFilter) -> Vec<(String, String)> {
    let page = RowPage::first(1_000);
    let rows = store.history(filter, page, Order::Desc).await.unwrap();
    let groups = store.history_groups(filter).await.unwrap();
    let found = i64::try_from(rows.len()).unwrap();
    assert_eq!(groups.iter().map(|group| group.total).sum::<i64>(), found);
    assert_eq!(groups.iter().map(|group| group.with_body).sum::<i64>(), found);
    let first = store.history_page(filter, None, 3).await.unwrap();
    assert_eq!(first.rows.len(), rows.len().min(3));
    rows.into_iter().map(|row| (row.event_type, row.webhook_id)).collect()
}

async fn exported(store: &Store) -> String {
    let mut out = Vec::new();
    let never = |error: &BodyError| panic!("{error}");
    export_webhooks(store, LedgerFilter::default(), &mut out, never).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn whoever_asks_finds_the_same(kind: Kind) {
    let webhooks = webhooks(120);
    let (there, here) = (TestApp::start(kind).await, TestApp::start_packing(kind).await);
    applied(&there, &webhooks).await;
    applied(&here, &webhooks).await;
    assert_eq!((plain(&here).await, packed(&there).await), (0, 0));
    assert_eq!(plain(&there).await, u64::try_from(packed(&here).await).unwrap());
    let kept = bodies(&here.store).await;
    assert_eq!(kept, bodies(&there.store).await);
    assert!(webhooks.iter().any(|sent| kept.values().any(|body| *body == sent.body)));
    assert_equal(&rows(there.db()).await, &rows(here.db()).await);
    assert_eq!(exported(&there.store).await, exported(&here.store).await);
    let chats = entity::waha_chats::Entity::find().all(here.db()).await.unwrap();
    for chat in chats.iter().take(4) {
        let chat = vec![chat.chat_id.clone()];
        for filter in [
            LedgerFilter { chats: chat.clone(), ..LedgerFilter::default() },
            LedgerFilter {
                persons: chat,
                events: vec!["message.any".to_owned()],
                ..Default::default()
            },
        ] {
            let found = named(&here.store, &filter).await;
            assert_eq!(found, named(&there.store, &filter).await);
        }
    }
    let again = renormalize(&here.store).await;
    assert_eq!((again.failed, again.without_body.len(), again.taken_back), (0, 0, 0));
    assert_eq!((plain(&here).await, bodies(&here.store).await), (0, kept));
    assert_eq!(count(here.db(), "webhook_dictionaries").await, 1);
    assert_eq!(here.equation().await.balanced, Some(true));
}

async fn bodies_are_read_at_every_instant_of_a_move(kind: Kind) {
    let app = TestApp::start(kind).await;
    applied(&app, &webhooks(250)).await;
    let before = bodies(&app.store).await;
    let groups = app.store.history_groups(&LedgerFilter::default()).await.unwrap();
    let packing = open_store_with(Extras::packing(), &app.database_url, app.clock.clone()).await;
    let moving = tokio::spawn(async move { pack_all(&packing, 0).await.unwrap() });
    let mut mixed = 0;
    while !moving.is_finished() {
        assert_eq!(bodies(&app.store).await, before);
        let now = app.store.history_groups(&LedgerFilter::default()).await.unwrap();
        assert_eq!(now, groups);
        mixed += u32::from(packed(&app).await > 0 && plain(&app).await > 0);
    }
    assert_eq!(moving.await.unwrap(), before.len() as u64);
    assert!(mixed > 0, "it was looked at while it was moved");
    assert_eq!((plain(&app).await, bodies(&app.store).await), (0, before));
}

async fn a_move_goes_on_where_it_was(kind: Kind) {
    let app = TestApp::start(kind).await;
    applied(&app, &webhooks(250)).await;
    let before = bodies(&app.store).await;
    let packing = open_store_with(Extras::packing(), &app.database_url, app.clock.clone()).await;
    let mut pass = packing.begin_move_pass().await.unwrap();
    assert!(packing.move_bodies(&mut pass).await.unwrap());
    let first = pass.moved;
    assert!(first > 0 && first < before.len() as u64);
    let cursor = || async {
        let rows = entity::retention_cursors::Entity::find().all(app.db()).await.unwrap();
        rows.into_iter().find(|row| row.name == "packed_bodies").unwrap()
    };
    let oldest = webhook_events::Entity::find().filter(webhook_events::Column::Body.is_not_null());
    let oldest = oldest.order_by_asc(webhook_events::Column::Id).one(app.db()).await.unwrap();
    assert_eq!(cursor().await.walked_at, None);
    let newest = webhook_bodies::Entity::find()
        .order_by_desc(webhook_bodies::Column::WebhookEventId)
        .one(app.db());
    let newest = newest.await.unwrap().unwrap().webhook_event_id;
    assert_eq!(cursor().await.cursor_id, newest);
    assert!(newest < oldest.unwrap().id);
    // Another process, as after a stop.
    let rest = pack_all(&packing, 0).await.unwrap();
    assert_eq!(first + rest, before.len() as u64);
    assert!(cursor().await.walked_at.is_some());
    assert_eq!(pack_all(&packing, 0).await.unwrap(), 0);
    // What came about out of order is found by the next walk.
    applied(&app, &history(&Plan { seed: 9, messages: 5, ..Plan::default() }).collect::<Vec<_>>())
        .await;
    app.clock.advance(8 * 24 * 3_600_000);
    assert!(pack_all(&packing, 0).await.unwrap() > 0);
    assert_eq!(plain(&app).await, 0);
}

/// The whole process is killed while it moves bodies and takes webhooks in.
async fn a_kill_in_the_middle_of_a_move_loses_nothing(kind: Kind) {
    let app = TestApp::start(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &app.database_url);
    let mut up = setting.up().await;
    send(&setting, webhooks(700)).await;
    setting.settled(PATIENCE).await;
    assert_eq!(up.terminate(), Some(0));
    let (before, total) = (bodies(&app.store).await, plain(&app).await);
    assert_eq!((before.len() as u64, packed(&app).await), (total, 0));

    setting.environment = vec![("WAHA_INGEST__LEDGER__BODY_CODEC", "zstd".to_owned())];
    let mut up = setting.up().await;
    let more = history(&Plan { seed: 3, messages: 200, ..Plan::default() }).collect();
    let (killed, ()) = tokio::join!(
        async {
            let some = || async { (plain(&app).await < total * 3 / 4).then_some(()) };
            wait_for("some to be moved", PATIENCE, some).await;
            up.kill();
            assert!(plain(&app).await > 0, "it was killed in the middle");
            let kept = bodies(&app.store).await;
            assert!(before.iter().all(|(key, body)| kept.get(key) == Some(body)));
            setting.up().await
        },
        send(&setting, more),
    );
    let mut up = killed;
    wait_for("all to be moved", PATIENCE, || async { (plain(&app).await == 0).then_some(()) })
        .await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["balanced"], true, "{status}");
    let kept = bodies(&app.store).await;
    assert!(before.iter().all(|(key, body)| kept.get(key) == Some(body)));
    assert!(kept.len() > before.len());
    assert_eq!(up.terminate(), Some(0));
}

/// Sends all, through a kill.
async fn send(setting: &Setting<'_>, webhooks: Vec<Sent>) {
    let retry_delay = Duration::from_millis(100);
    let sending = Sending { attempts_max: 600, retry_delay, ..setting.sending(8) };
    let report = send_all(sending, webhooks.into_iter(), || ()).await.unwrap();
    assert_eq!((report.lost, report.accepted), (0, report.sent));
}

async fn what_is_let_go_of_does_not_come_back(kind: Kind) {
    let app = TestApp::start(kind).await;
    applied(&app, &webhooks(150)).await;
    app.clock.advance(25 * 3_600_000);
    for sent in history(&Plan { seed: 9, messages: 20, ..Plan::default() }) {
        assert!(app.post(sent.body).await.is_success());
    }
    app.work_until_idle().await;
    let all = plain(&app).await;
    let packing = open_store_with(Extras::packing(), &app.database_url, app.clock.clone()).await;
    let mut pass = packing.begin_move_pass().await.unwrap();
    packing.move_bodies(&mut pass).await.unwrap();
    let (moving, letting_go) = tokio::join!(pack_all(&packing, 0), forget(&app));
    moving.unwrap();
    assert!(letting_go > 0);
    forget(&app).await;
    let left = bodies(&app.store).await.len() as u64;
    assert!(left > 0 && left < all, "{left} of {all}");
    assert_eq!(plain(&app).await + packed(&app).await.unsigned_abs(), left);
    let received = webhook_events::Entity::find().all(app.db()).await.unwrap();
    // Rows that were changed come in any order.
    let oldest = received.iter().map(|row| row.received_at).min().unwrap();
    let young = received.iter().filter(|row| row.received_at > oldest).count();
    assert_eq!(left, young as u64);
}

/// Changes the row of a body.
async fn damage(app: &TestApp, id: i64, row: webhook_bodies::ActiveModel) {
    let row = webhook_bodies::ActiveModel { webhook_event_id: Unchanged(id), ..row };
    webhook_bodies::Entity::update(row).exec(app.db()).await.unwrap();
}

async fn what_is_damaged_is_said_by_its_row(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    applied(&app, &webhooks(30)).await;
    let whole = webhook_bodies::Entity::find().order_by_asc(webhook_bodies::Column::WebhookEventId);
    let whole = whole.filter(webhook_bodies::Column::Codec.eq("zstd")).all(app.db()).await.unwrap();
    let mut flipped = whole[0].body.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 3).unwrap();
    let row = webhook_bodies::ActiveModel::default;
    let kinds = [
        (webhook_bodies::ActiveModel { body: Set(flipped), ..row() }, UnpackError::Damaged),
        (webhook_bodies::ActiveModel { body: Set(vec![0]), ..row() }, UnpackError::Damaged),
        (
            webhook_bodies::ActiveModel { dictionary_id: Set(Some(4711)), ..row() },
            UnpackError::NoDictionary(4711),
        ),
        (
            webhook_bodies::ActiveModel { codec: Set("brotli".to_owned()), ..row() },
            UnpackError::Codec("brotli".to_owned()),
        ),
        (
            webhook_bodies::ActiveModel { body: Set(bomb), dictionary_id: Set(None), ..row() },
            UnpackError::Length { row: whole[4].body_bytes.unsigned_abs().into(), told: 64 << 20 },
        ),
        (webhook_bodies::ActiveModel { body_bytes: Set(-1), ..row() }, UnpackError::Damaged),
    ];
    let ids: Vec<i64> = whole.iter().map(|row| row.webhook_event_id).collect();
    for ((damaged, _), id) in kinds.clone().into_iter().zip(&ids) {
        damage(&app, *id, damaged).await;
    }
    let found = app.store.bodies(&ids).await.unwrap();
    for ((_, cause), id) in kinds.iter().zip(&ids) {
        assert_eq!(found[id], Err(BodyError { id: *id, cause: cause.clone() }));
    }
    assert!(ids[kinds.len()..].iter().all(|id| found[id].is_ok()));
    // Everybody goes on with the others.
    let again = renormalize(&app.store).await;
    let failed: Vec<i64> = again.failures.iter().map(|failure| failure.id).collect();
    assert_eq!(failed, ids[..kinds.len()]);
    let (mut out, mut unreadable) = (Vec::new(), Vec::new());
    let exported = export_webhooks(&app.store, LedgerFilter::default(), &mut out, |error| {
        unreadable.push(error.id);
    });
    let exported = exported.await.unwrap();
    assert_eq!((exported.unreadable, unreadable), (kinds.len() as u64, failed.clone()));
    let filter = LedgerFilter { chats: vec!["nobody@c.us".to_owned()], ..LedgerFilter::default() };
    let page = RowPage::first(10);
    assert!(app.store.history(&filter, page, Order::Asc).await.unwrap().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &app.database_url);
    let shown = setting.run(&["webhooks", "show", &failed[0].to_string()]);
    assert!(!shown.status.success());
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(said.contains(&format!("the body of webhook {} can't be read", failed[0])), "{said}");
}

async fn a_dictionary_of_another_release_is_read_from_the_tables(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks = webhooks(400);
    applied(&app, &webhooks[..1]).await;
    let samples: Vec<&[u8]> = webhooks.iter().map(|sent| &sent.body[..]).collect();
    let dictionary = zstd::dict::from_samples(&samples, 8_192).unwrap();
    let id = i32::from_le_bytes(dictionary[4..8].try_into().unwrap());
    assert_ne!(id, SHIPPED.id);
    let ledger = webhook_events::Entity::find().one(app.db()).await.unwrap().unwrap();
    let body = webhooks[0].body.clone();
    let mut packer = zstd::bulk::Compressor::with_dictionary(3, &dictionary).unwrap();
    let row = webhook_bodies::ActiveModel {
        webhook_event_id: Set(ledger.id),
        body_bytes: Set(i32::try_from(body.len()).unwrap()),
        dictionary_id: Set(Some(id)),
        codec: Set("zstd".to_owned()),
        body: Set(packer.compress(&body).unwrap()),
        month: Set(ledger.month),
    };
    webhook_bodies::Entity::insert(row).exec(app.db()).await.unwrap();
    let unknown = BodyError { id: ledger.id, cause: UnpackError::NoDictionary(id) };
    assert_eq!(app.store.bodies(&[ledger.id]).await.unwrap()[&ledger.id], Err(unknown));
    let dictionary = webhook_dictionaries::ActiveModel {
        dictionary_id: Set(id.into()),
        dictionary: Set(dictionary),
        ..webhook_dictionaries::ActiveModel::default()
    };
    webhook_dictionaries::Entity::insert(dictionary).exec(app.db()).await.unwrap();
    assert_eq!(app.store.bodies(&[ledger.id]).await.unwrap()[&ledger.id], Ok(body.into()));
}

/// A worker that does not pack redelivers and reads again what another one has packed.
async fn switched_back_nothing_is_stored_twice(kind: Kind) {
    let app = TestApp::start_packing(kind).await;
    let webhooks = webhooks(40);
    applied(&app, &webhooks).await;
    let before = bodies(&app.store).await;
    let plain_store =
        open_store_with(Extras::default(), &app.database_url, app.clock.clone()).await;
    assert_eq!(bodies(&plain_store).await, before);
    let again = renormalize(&plain_store).await;
    assert_eq!((again.failed, again.without_body.len()), (0, 0));
    assert_eq!((plain(&app).await, bodies(&app.store).await), (0, before));
}

/// As after a kill between the commit of the one and its ack: the same requests come to the other.
async fn delivered_again_to_a_worker_that_packs_a_body_stays_where_it_is(kind: Kind) {
    let app = TestApp::start(kind).await;
    let packing = open_store_with(Extras::packing(), &app.database_url, app.clock.clone()).await;
    let delivered: Vec<_> = webhooks(20).iter().map(webhook).collect();
    let rules = Config::load_defaults().unwrap().rules;
    let task = |webhook| {
        let normalized = normalize(webhook, &rules).unwrap();
        ApplyTask { webhook, attempts: 1, normalized }
    };
    let half: Vec<ApplyTask<'_>> = delivered[..delivered.len() / 2].iter().map(task).collect();
    let all: Vec<ApplyTask<'_>> = delivered.iter().map(task).collect();
    app.store.apply(&half).await.unwrap();
    let kept = plain(&app).await;
    packing.apply(&all).await.unwrap();
    let left = u64::try_from(delivered.len()).unwrap() - kept;
    assert_eq!((plain(&app).await, packed(&app).await.unsigned_abs()), (kept, left));
    assert_eq!(bodies(&app.store).await.len(), delivered.len());
    assert_eq!(count(app.db(), "webhook_duplicates").await, 0);
}

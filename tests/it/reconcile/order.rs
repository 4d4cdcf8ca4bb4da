//! What is read from a list is weaker than any live telling, whichever comes first.

use waha_ingest::normalize::normalize;
use waha_ingest::simulate::{Engine, Families, Family};
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

use super::*;
use crate::database::on_each_database;
use crate::rows::{Rows, rows, without_ledger};

on_each_database!(
    a_live_telling_wins_whichever_comes_first,
    a_message_that_was_only_announced_is_completed_by_the_list,
);

fn plan(engine: Engine) -> Plan {
    let families = Families::default().without(Family::Session).without(Family::Rare);
    let engine = Some(engine);
    Plan { engine, sessions: 1, people: 8, groups: 2, messages: 60, families, ..Plan::default() }
}

async fn a_live_telling_wins_whichever_comes_first(kind: Kind) {
    for engine in [Engine::Noweb, Engine::Gows, Engine::Webjs, Engine::Wpp] {
        assert_weaker(kind, engine).await;
    }
}

async fn assert_weaker(kind: Kind, engine: Engine) {
    // What a list tells, of a session that nothing was heard of.
    let silent = Options { lose: 1.0, ..Options::of(plan(engine)) };
    let deaf = Reconciling::start(Kind::Sqlite, silent).await;
    let live = Reconciling::start(Kind::Sqlite, Options::of(plan(engine))).await;
    let sent: Vec<Sent> = live.waha.webhooks().collect();
    deaf.tell(sent[..1].to_vec()).await;
    deaf.live().await;
    assert!(deaf.heal().await > 20);
    let listed = backfills(deaf.app.db()).await;
    let listed: Vec<Webhook> = listed.into_iter().map(again).collect();
    live.tell(sent.clone()).await;
    let told = shown(&live).await;
    // First what the list has, then the live ones; and the other way round.
    let before = Reconciling::start(kind, Options::of(plan(engine))).await;
    apply(&before, &listed).await;
    before.tell(sent.clone()).await;
    let after = Reconciling::start(kind, Options::of(plan(engine))).await;
    after.tell(sent).await;
    apply(&after, &listed).await;
    let (before, after) = (shown(&before).await, shown(&after).await);
    assert_same(&before, &after, engine);
    assert_same(&told, &after, engine);
}

/// WEBJS announces what it can't decrypt yet; where the message itself was lost, WAHA's list has it.
async fn a_message_that_was_only_announced_is_completed_by_the_list(kind: Kind) {
    let plan = || Plan { messages: 800, ..plan(Engine::Webjs) };
    let it = Reconciling::start(kind, Options { lose: 1.0, ..Options::of(plan()) }).await;
    let sent: Vec<Sent> =
        Reconciling::start(Kind::Sqlite, Options::of(plan())).await.waha.webhooks().collect();
    let announced = sent.iter().filter(|it| it.event_type == "message.waiting");
    let announced: Vec<Sent> = sent[..1].iter().chain(announced).cloned().collect();
    it.tell(announced.clone()).await;
    it.live().await;
    let waiting = async || {
        let rows = messages(it.app.db()).await.into_iter();
        rows.filter(|row| row.r#type.as_deref() == Some("waiting")).count()
    };
    assert!(waiting().await > 0, "{} announced", announced.len() - 1);
    assert!(it.heal().await > 300);
    assert_eq!(waiting().await, 0);
    assert_eq!(it.heal().await, 0, "it is complete");
}

/// A webhook of the ledger, as it was applied.
fn again(row: webhook_events::Model) -> Webhook {
    WebhookParts {
        key: WebhookKey {
            source: row.source,
            session: row.session,
            event_type: row.event_type,
            id: row.webhook_id,
        },
        receipt: Receipt(row.receipt),
        at_ms: row.webhook_at.timestamp_millis(),
        received_at_ms: row.received_at.timestamp_millis(),
        replay: false,
        headers: Headers::new(),
        body: row.body.unwrap().into(),
    }
    .into()
}

/// In parts, the last first.
async fn apply(to: &Reconciling, webhooks: &[Webhook]) {
    let rules = Rules { user_id_key: "user.id".to_owned() };
    for part in webhooks.rchunks(7) {
        let task = |webhook| {
            let normalized = normalize(webhook, &rules).unwrap();
            ApplyTask { webhook, attempts: 1, normalized }
        };
        let tasks: Vec<ApplyTask<'_>> = part.iter().map(task).collect();
        to.app.store.apply(&tasks).await.unwrap();
    }
}

async fn shown(of: &Reconciling) -> Rows {
    let mut rows = without_ledger(rows(of.app.db()).await);
    for rows in rows.values_mut() {
        for row in rows.iter_mut() {
            *row = without_exceptions(row);
        }
        rows.sort_unstable();
    }
    rows
}

/// Which of an author's tellings was the first is told by the list, too: the message's own time. And how far a
/// message got is a snapshot, which may be ahead.
fn without_exceptions(row: &str) -> String {
    const EXCEPTIONS: [&str; 6] =
        ["author_version=", "status=", "ack=", "status_rank=", "received_rank=", "told_at="];
    let is_kept = |field: &&str| !EXCEPTIONS.iter().any(|name| field.starts_with(name));
    row.split(' ').filter(is_kept).collect::<Vec<_>>().join(" ")
}

fn assert_same(expected: &Rows, actual: &Rows, engine: Engine) {
    for (table, expected) in expected {
        let actual = &actual[table];
        let missing: Vec<&String> = expected.iter().filter(|row| !actual.contains(row)).collect();
        let extra: Vec<&String> = actual.iter().filter(|row| !expected.contains(row)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{table} of {engine:?} differs\nexpected: {:?}\nactual:   {:?}",
            missing.first(),
            extra.first()
        );
    }
}

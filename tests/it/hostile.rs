//! A hostile sender repeats the id of somebody else's message, in the same chat and in another, and
//! edits and revokes it: nothing of the original changes, in whatever order all of it arrives.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use waha_ingest::simulate::Sent;
use waha_ingest::webhook::Webhook;

use crate::app::webhook;
use crate::bench::Bench;
use crate::database::{Kind, on_each_database};
use crate::rows::{Rows, assert_equal, without_ledger};

on_each_database!(nothing_of_the_original_changes, a_stub_shows_what_there_is);

const GROUP: &str = "120363000000000555@g.us";
const OTHER_GROUP: &str = "120363000000000556@g.us";
const VICTIM: &str = "100000000000111@lid";
const ENEMY: &str = "100000000000199@lid";
/// The id that both use.
const BARE: &str = "3A0C0FFEE";
/// Orders that are tried.
const CASES: u32 = 150;

/// What the victim does: a message told three times, edited twice, revoked.
fn victim() -> Vec<Value> {
    vec![
        message(VICTIM, GROUP, "two bags", 30),
        message(VICTIM, GROUP, "two bags", 10),
        with_media(message(VICTIM, GROUP, "two bags", 40)),
        edit(VICTIM, "ED1", "three bags", 50),
        edit(VICTIM, "ED2", "four bags", 60),
        revocation(VICTIM, 90),
    ]
}

/// What the enemy does, before and after.
fn enemy() -> Vec<Value> {
    vec![
        message(ENEMY, GROUP, "send money", 20),
        with_media(message(ENEMY, GROUP, "send more", 45)),
        message(ENEMY, OTHER_GROUP, "send money", 5),
        edit(ENEMY, "ED1", "send it now", 70),
        revocation(ENEMY, 15),
    ]
}

fn id(author: &str, chat: &str, bare: &str) -> String {
    format!("false_{chat}_{bare}_{author}")
}

fn message(author: &str, chat: &str, text: &str, at: i64) -> Value {
    let payload = json!({
        "id": id(author, chat, BARE), "timestamp": 1_790_000_000, "from": chat, "fromMe": false,
        "participant": author, "body": text, "hasMedia": false, "ack": 2,
        "_data": { "message": { "conversation": text } },
    });
    envelope("message", at, &payload)
}

fn with_media(mut message: Value) -> Value {
    message["payload"]["media"] = json!({ "url": message["id"], "mimetype": "image/png" });
    message
}

fn edit(author: &str, bare: &str, text: &str, at: i64) -> Value {
    let payload = json!({
        "id": id(author, GROUP, bare), "editedMessageId": BARE, "participant": author,
        "fromMe": false, "body": text, "timestamp": 1_790_000_000,
    });
    envelope("message.edited", at, &payload)
}

fn revocation(author: &str, at: i64) -> Value {
    let after = json!({
        "id": id(author, GROUP, "AC7"), "participant": author, "fromMe": false,
        "timestamp": 1_790_000_000 + at,
    });
    envelope("message.revoked", at, &json!({ "after": after, "revokedMessageId": BARE }))
}

fn envelope(event: &str, at: i64, payload: &Value) -> Value {
    json!({
        "id": format!("evt_{event}_{at}_{}", payload["participant"]), "event": event,
        "timestamp": 1_790_000_000_000_i64 + at * 1000, "session": "shop", "engine": "NOWEB",
        "environment": { "engine": "NOWEB", "version": "2026.4.1" },
        "me": { "id": "12025550100@c.us" }, "payload": payload,
    })
}

fn webhooks(bodies: &[Value]) -> Vec<Webhook> {
    let sent = |body: &Value| Sent {
        event_type: "",
        session: "shop".to_owned(),
        webhook_id: None,
        at_ms: 0,
        body: body.to_string().into_bytes(),
        request_id: "r".to_owned(),
    };
    bodies.iter().map(|body| webhook(&sent(body))).collect()
}

/// The rows after these webhooks alone, in batches of this size.
async fn rows_of(bench: &Bench, webhooks: &[Webhook], batch: usize) -> Rows {
    bench.clear().await;
    for batch in webhooks.chunks(batch) {
        bench.apply(batch).await;
    }
    // Who was told last that it lost depends on the order; that it lost does not.
    without_ledger(bench.rows().await)
}

/// The columns of the message that people see.
async fn seen(bench: &Bench) -> Vec<String> {
    let db = bench.store.connection();
    let sql = "SELECT m.author, m.content, m.original_content, m.media_url, m.revoked_by, m.sender \
               FROM waha_messages m JOIN waha_chats c ON c.id = m.chat_id WHERE c.chat_id = ";
    let statement = Statement::from_string(db.get_database_backend(), format!("{sql}'{GROUP}'"));
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    (0..6)
        .map(|column| row.try_get_by_index::<Option<String>>(column).unwrap())
        .map(Option::unwrap_or_default)
        .collect()
}

async fn nothing_of_the_original_changes(kind: Kind) {
    let bench = Bench::start(kind).await;
    let all = webhooks(&[victim(), enemy()].concat());
    rows_of(&bench, &webhooks(&victim()), 1).await;
    let original = seen(&bench).await;
    assert_eq!(original[..3], [VICTIM, "four bags", "two bags"].map(str::to_owned));
    assert!(original[3].contains(VICTIM) && original[4] == VICTIM, "{original:?}");
    let expected = rows_of(&bench, &all, 1).await;
    assert_eq!(expected["waha_message_claims"].len(), 1);
    let runtime = tokio::runtime::Handle::current();
    let cases = (Just(all).prop_shuffle(), 1..12_usize);
    let tried = tokio::task::spawn_blocking(move || {
        let config = Config { cases: CASES, ..Config::default() };
        TestRunner::new(config).run(&cases, |(all, batch)| {
            runtime.block_on(async {
                assert_equal(&expected, &rows_of(&bench, &all, batch).await);
                assert_eq!(seen(&bench).await, original);
            });
            Ok(())
        })
    });
    tried.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
}

/// An edit and a revocation whose message never comes are still to be seen.
async fn a_stub_shows_what_there_is(kind: Kind) {
    let bench = Bench::start(kind).await;
    rows_of(&bench, &webhooks(&victim()[3..]), 1).await;
    assert_eq!(seen(&bench).await, ["", "four bags", "", "", VICTIM, ""].map(str::to_owned));
    rows_of(&bench, &webhooks(&victim()[4..5]), 1).await;
    assert_eq!(seen(&bench).await, ["", "four bags", "", "", "", ""].map(str::to_owned));
}

//! History that an older normalizer read otherwise: read again, it makes the rows that it would make from the
//! start; what it tells no more is hidden; and reading it once more changes nothing, not even when rows were
//! last written and what the feed tells.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use waha_ingest::change::{Changes, Register, Version};
use waha_ingest::normalize::{Normalized, normalize};
use waha_ingest::renormalize::Renormalizer;
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::operations::history::LedgerFilter;
use waha_ingest::webhook::{Webhook, WebhookParts};

use crate::app::webhook;
use crate::bench::Bench;
use crate::database::{Kind, on_each_database};
use crate::rows::{Rows, assert_equal, value};

on_each_database!(
    what_a_webhook_tells_now_replaces_what_it_told,
    what_a_webhook_tells_no_more_is_taken_back,
);

/// What an older normalizer may have made of what rows say, under the versions that they have.
const SPOILED: [&str; 18] = [
    "UPDATE waha_messages SET content = 'old' WHERE edited_version = 0 AND content IS NOT NULL",
    "UPDATE waha_messages SET original_content = 'old' WHERE edited_version > 0 AND author IS NOT NULL",
    "UPDATE waha_messages SET type = 'other', details = NULL, sender = 'old' WHERE author IS NOT NULL",
    "UPDATE waha_messages SET is_notice = TRUE WHERE author IS NOT NULL",
    "UPDATE waha_messages SET sender_name = 'old' WHERE sender_name IS NOT NULL",
    "UPDATE waha_messages SET reply_to_content = 'old' WHERE reply_to IS NOT NULL",
    "UPDATE waha_messages SET media_mime_type = 'old' WHERE media_version > 0",
    "UPDATE waha_message_edits SET content = 'old'",
    "UPDATE waha_message_revocations SET revoked_by = 'old'",
    "UPDATE waha_reactions SET text = 'old'",
    "UPDATE waha_poll_votes SET selected = 'old'",
    "UPDATE waha_calls SET from_jid = 'old'",
    "UPDATE waha_participants SET role = 'old'",
    "UPDATE waha_join_requests SET state = 'old', method = 'old'",
    "UPDATE waha_labels SET name = 'old' WHERE look_version > 0",
    "UPDATE waha_chat_labels SET is_set = NOT is_set",
    "UPDATE chat_reads SET last_read_message_id = 'old'",
    "UPDATE waha_chats SET name = 'old' WHERE name_version > 0",
];

async fn what_a_webhook_tells_now_replaces_what_it_told(kind: Kind) {
    let plan =
        Plan { messages: 150, people: 12, groups: 2, families: Families::ALL, ..Plan::default() };
    let sent: Vec<Sent> = history(&plan).collect();
    let bench = Bench::start(kind).await;
    for batch in sent.iter().map(webhook).collect::<Vec<_>>().chunks(50) {
        bench.apply(batch).await;
    }
    let expected = bench.rows().await;
    for spoil in SPOILED {
        bench.store.connection().execute_unprepared(spoil).await.unwrap();
    }
    let spoiled = bench.rows().await;
    let is_spoiled = |table: &&str| expected[*table] != spoiled[*table];
    let must_be =
        ["waha_messages", "waha_message_edits", "waha_reactions", "waha_calls", "waha_chats"];
    assert!(must_be.iter().all(is_spoiled), "nothing was spoiled");

    assert_eq!(read_again(&bench).await, 0, "what is told is taken from nobody");
    assert_equal(&expected, &bench.rows().await);
    assert_nothing_changes(&bench).await;
}

/// What a webhook was once read as, and is now.
struct Past {
    body: Value,
    /// As what another body it was read.
    read_as: Value,
    /// Whether it was believed as much as one that tells everything.
    fully: bool,
}

async fn what_a_webhook_tells_no_more_is_taken_back(kind: Kind) {
    let bench = Bench::start(kind).await;
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]] {
        bench.clear().await;
        let past = past();
        let now: Vec<Webhook> = past.iter().map(|it| made(&it.body)).collect();
        bench.apply(&now).await;
        let expected = bench.rows().await;

        bench.clear().await;
        for number in order {
            apply_as_once_read(&bench, &past[number]).await;
        }
        assert_eq!(shown(&bench).await, "ACE0 edited later\nACF1 -\nACF2 Changed keys\n");
        let hidden = id_of(&bench, "ACE0").await;
        let said = positions(&bench).await;
        assert!(read_again(&bench).await > 0);
        assert_eq!(shown(&bench).await, "ACF1 see you at 5\nACF2 -\n");
        assert_eq!(id_of(&bench, "ACE0").await, hidden, "it is hidden, not deleted");
        assert!(told_since(&bench, said).await.contains(&hidden), "the feed tells it");
        assert_equal(&expected, &without_hidden(bench.rows().await));
        assert_nothing_changes(&bench).await;
    }
}

/// A message, told again without the engine's form; an edit that can't be read, which was a message once;
/// a notice that was one, too; and an ack of it.
fn past() -> [Past; 5] {
    let same = |body: Value| Past { read_as: body.clone(), body, fully: false };
    let said = noweb("message", 1, "ACF1", &json!({ "conversation": "see you at 5" }));
    let mut bare = noweb("message.any", 60, "ACF1", &Value::Null);
    bare["payload"]["_data"] = Value::Null;
    let target =
        json!({ "remoteJid": "12025550142@s.whatsapp.net", "fromMe": false, "id": "ACF1" });
    let edit = json!({ "secretEncryptedMessage": {
        "targetMessageKey": target, "encPayload": "AAAA", "secretEncType": "MESSAGE_EDIT",
    } });
    let leak = noweb("message.any", 120, "ACE0", &edit);
    let leak_as = noweb("message.any", 120, "ACE0", &json!({ "conversation": "edited later" }));
    let setting =
        json!({ "protocolMessage": { "type": "EPHEMERAL_SETTING", "ephemeralExpiration": 9 } });
    let notice = noweb("message.any", 90, "ACF2", &setting);
    let notice_as = noweb("message.any", 90, "ACF2", &json!({ "conversation": "Changed keys" }));
    let reaction = json!({ "reactionMessage": { "key": target, "text": "👍" } });
    [
        same(said),
        Past { read_as: bare.clone(), body: bare, fully: true },
        Past { body: leak, read_as: leak_as, fully: false },
        Past { body: notice, read_as: notice_as, fully: false },
        same(noweb("message.any", 30, "ACE1", &reaction)),
    ]
}

fn noweb(event: &str, after_s: i64, bare_id: &str, message: &Value) -> Value {
    let seconds = 1_785_000_000 + after_s;
    json!({
        "id": format!("evt_{bare_id}_{after_s}"), "timestamp": seconds * 1_000, "event": event,
        "session": "shop", "engine": "NOWEB", "me": { "id": "12025550100@c.us" },
        "payload": {
            "id": format!("false_12025550142@c.us_{bare_id}"), "timestamp": seconds,
            "from": "12025550142@c.us", "fromMe": false, "hasMedia": false,
            "body": message.get("conversation"), "_data": {
                "key": { "remoteJid": "12025550142@s.whatsapp.net", "fromMe": false, "id": bare_id },
                "messageTimestamp": seconds, "message": message,
            },
        },
    })
}

fn made(body: &Value) -> Webhook {
    let sent = Sent {
        event_type: "",
        session: String::new(),
        webhook_id: None,
        at_ms: body["timestamp"].as_i64().unwrap(),
        body: body.to_string().into_bytes(),
        request_id: "request".to_owned(),
    };
    webhook(&sent)
}

/// Applies a webhook with what it was once read as.
async fn apply_as_once_read(bench: &Bench, past: &Past) {
    let webhook = made(&past.body);
    let body = past.read_as.to_string().into_bytes().into();
    let other = Webhook::from(WebhookParts { body, ..webhook.parts().clone() });
    let normalized = match normalize(&other, &bench.rules).unwrap() {
        Normalized::Changes(changes) if past.fully => {
            Normalized::Changes(fully(changes, Version::of(&webhook)))
        }
        normalized => normalized,
    };
    bench.store.apply(&[ApplyTask { webhook: &webhook, attempts: 1, normalized }]).await.unwrap();
}

fn fully(mut changes: Changes, version: Version) -> Changes {
    for told in changes.messages.values_mut().flat_map(|message| message.told.values_mut()) {
        told.content.version = version;
        // It had no text, and said so.
        told.text = Some(Register::new(version, String::new()));
    }
    changes
}

/// Returns of how many messages something was taken back.
async fn read_again(bench: &Bench) -> usize {
    let renormalizer =
        Renormalizer { store: &bench.store, rules: &bench.rules, writes: true, rate: None };
    let counts = renormalizer.run(LedgerFilter::default(), |_| ()).await.unwrap();
    assert_eq!(counts.failed, 0, "{:?}", counts.failures);
    counts.taken_back
}

async fn assert_nothing_changes(bench: &Bench) {
    let (before, position) = (written(bench).await, positions(bench).await);
    assert_eq!(read_again(bench).await, 0);
    assert_equal(&before, &written(bench).await);
    assert_eq!(positions(bench).await, position, "the feed tells of nothing");
}

/// All rows with their ids and times of writing.
async fn written(bench: &Bench) -> Rows {
    let mut all = Rows::new();
    for table in bench.rows().await.into_keys().filter(|table| table != "webhook_events") {
        let found = ask(&bench.store.connection(), &format!("SELECT * FROM {table}")).await;
        all.insert(table, found);
    }
    all
}

async fn shown(bench: &Bench) -> String {
    let sql = "SELECT message_id, NULLIF(content, '') AS said FROM waha_visible_messages \
               ORDER BY message_id";
    let lines = ask(&bench.store.connection(), sql).await;
    let mut text = lines.join("\n").replace("message_id=", "").replace("said=", "");
    text.push('\n');
    text
}

async fn id_of(bench: &Bench, message_id: &str) -> String {
    let sql = format!("SELECT id FROM waha_messages WHERE message_id = '{message_id}'");
    ask(&bench.store.connection(), &sql).await.remove(0)
}

async fn positions(bench: &Bench) -> String {
    ask(&bench.store.connection(), "SELECT position FROM waha_feed").await.remove(0)
}

/// Ids of the rows of messages of which the feed tells.
async fn told_since(bench: &Bench, position: String) -> Vec<String> {
    let position = position.replace("position=", "");
    let sql = format!(
        "SELECT row_id AS id FROM waha_changes WHERE position > {position} \
         AND kind = 'message.updated'"
    );
    ask(&bench.store.connection(), &sql).await
}

fn without_hidden(mut rows: Rows) -> Rows {
    let messages = rows.get_mut("waha_messages").unwrap();
    messages.retain(|row| !row.contains("message_id=ACE0"));
    rows
}

/// Rows as text, sorted.
async fn ask(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let text = |row: &sea_orm::QueryResult| {
        let columns = row.column_names();
        let fields = columns.iter().map(|column| format!("{column}={}", value(row, column)));
        fields.collect::<Vec<_>>().join(" ")
    };
    let mut texts: Vec<String> = rows.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

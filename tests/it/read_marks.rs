//! How far users of an application have read: marks that only go forward unless they are told to, that
//! webhooks leave alone, and that move with their conversation.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, TransactionTrait};
use serde_json::{Value, json};
use tokio::time::timeout;
use waha_ingest::store::operations::reads::{ReadRefusal, ReadRow, ReadUpTo, UserRead};
use waha_ingest::store::operations::sessions::SessionReach;

use crate::admin_api::{Desk, secret};
use crate::app::TestApp;
use crate::database::{Database, Kind, on_each_database};
use crate::last_messages::{LID, PHONE, START, link, message};

on_each_database!(
    a_mark_only_goes_forward_and_is_in_the_feed,
    the_further_mark_of_two_conversations_stays,
    a_mark_of_an_open_transaction_moves_with_its_chat,
    a_mark_for_another_name_is_the_conversations,
    webhooks_leave_the_marks_of_users_alone,
    a_time_is_the_newest_message_until_then,
);

/// Sets a mark.
async fn mark(app: &TestApp, told: UserRead) -> Result<ReadRow, ReadRefusal> {
    app.store.mark_read(&told, &SessionReach::default()).await.unwrap()
}

/// A user has read up to a message.
fn up_to(chat_id: i64, user: &str, id: &str) -> UserRead {
    let up_to = ReadUpTo::Message(id.to_owned());
    UserRead { chat_id, user_id: user.to_owned(), up_to, goes_back: false }
}

fn until(chat_id: i64, user: &str, second: i64) -> UserRead {
    let at = chrono::DateTime::from_timestamp(START + second, 0).unwrap();
    UserRead { up_to: ReadUpTo::Time(at), ..up_to(chat_id, user, "") }
}

async fn told(app: &TestApp, webhooks: &[Value]) {
    for webhook in webhooks {
        app.post_json(webhook).await;
    }
    app.work_until_idle().await;
}

/// Row of a chat.
async fn chat(app: &TestApp, chat_id: &str) -> i64 {
    let all = entity::waha_chats::Entity::find().all(app.db()).await.unwrap();
    all.into_iter().find(|chat| chat.chat_id == chat_id).unwrap().id
}

/// All marks: chat, reader, user, message.
async fn marks(app: &TestApp) -> Vec<(i64, String, Option<String>, Option<String>)> {
    use entity::chat_reads::{Column, Entity};
    let rows = Entity::find().order_by_asc(Column::Reader).all(app.db()).await.unwrap();
    let mark = |row: ReadRow| (row.chat_id, row.reader, row.user_id, row.last_read_message_id);
    rows.into_iter().map(mark).collect()
}

fn expected(chat: i64, user: &str, id: &str) -> (i64, String, Option<String>, Option<String>) {
    (chat, format!("user:{user}"), Some(user.to_owned()), Some(id.to_owned()))
}

/// What the feed tells of read marks.
async fn reads_in_feed(app: &TestApp) -> Vec<(String, Option<i64>, i64)> {
    let (_, changes) = crate::feed::read_all(&app.store, 0).await;
    let reads = changes.into_iter().filter(|change| change.kind == "read");
    reads.map(|change| (change.natural_key, change.chat_id, change.row_id)).collect()
}

async fn a_mark_only_goes_forward_and_is_in_the_feed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ids = ["3EB0A1", "3EB0A2", "3EB0A3"];
    let webhooks = (1..).zip(ids).map(|(second, id)| message(PHONE, id, false, second));
    told(&app, &webhooks.collect::<Vec<_>>()).await;
    let chat = chat(&app, PHONE).await;
    let row = mark(&app, up_to(chat, "7", "3EB0A2")).await.unwrap();
    assert_eq!(row.last_read_at.unwrap().timestamp(), START + 2);
    let once = vec![("user:7".to_owned(), Some(chat), row.id)];
    assert_eq!(reads_in_feed(&app).await, once);
    for repeated in [up_to(chat, "7", "3EB0A2"), up_to(chat, "7", "3EB0A1")] {
        let same = mark(&app, repeated).await.unwrap();
        assert_eq!(same, row);
        assert_eq!(reads_in_feed(&app).await, once, "nothing changed");
    }
    let back = UserRead { goes_back: true, ..up_to(chat, "7", "3EB0A1") };
    assert_eq!(mark(&app, back).await.unwrap().last_read_message_id.unwrap(), "3EB0A1");
    mark(&app, up_to(chat, "8", "3EB0A3")).await.unwrap();
    assert_eq!(marks(&app).await, [expected(chat, "7", "3EB0A1"), expected(chat, "8", "3EB0A3")]);
    assert_eq!(reads_in_feed(&app).await.len(), 3);
    let unknown = [up_to(chat + 100, "7", "3EB0A1"), up_to(chat, "7", "3EB0A9")];
    let [no_chat, no_message] = unknown;
    assert_eq!(mark(&app, no_chat).await, Err(ReadRefusal::Chat));
    assert_eq!(mark(&app, no_message).await, Err(ReadRefusal::Message));
    assert_eq!(reads_in_feed(&app).await.len(), 3);
}

/// Of users who have one in both, in either; one of them written by SQL, as the document says it.
async fn the_further_mark_of_two_conversations_stays(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks = [
        message(PHONE, "3EB0A1", false, 1),
        message(LID, "3EB0A2", false, 2),
        message(PHONE, "3EB0A3", false, 3),
        message(LID, "3EB0A4", false, 4),
    ];
    told(&app, &webhooks).await;
    let [phone, lid] = [chat(&app, PHONE).await, chat(&app, LID).await];
    for (chat, user, id) in [
        (phone, "further-there", "3EB0A3"),
        (lid, "further-there", "3EB0A2"),
        (phone, "further-moving", "3EB0A1"),
        (lid, "further-moving", "3EB0A4"),
        (lid, "moving", "3EB0A2"),
        (phone, "there", "3EB0A1"),
    ] {
        mark(&app, up_to(chat, user, id)).await.unwrap();
    }
    let sql = format!(
        "INSERT INTO chat_reads (chat_id, reader, user_id, last_read_message_id, last_read_at) \
         SELECT {lid}, 'user:sql', 'sql', '3EB0A4', last_read_at FROM chat_reads \
         WHERE reader = 'user:moving'"
    );
    app.db().execute_unprepared(&sql).await.unwrap();
    told(&app, &[link("3EB0A5", 5)]).await;
    let all = [
        ("further-moving", "3EB0A4"),
        ("further-there", "3EB0A3"),
        ("moving", "3EB0A2"),
        ("sql", "3EB0A4"),
        ("there", "3EB0A1"),
    ];
    assert_eq!(marks(&app).await, all.map(|(user, id)| expected(phone, user, id)));
}

/// An application has written one and not committed yet when the chat turns out to be another one.
async fn a_mark_of_an_open_transaction_moves_with_its_chat(kind: Kind) {
    let app = TestApp::start(kind).await;
    told(&app, &[message(PHONE, "3EB0A1", false, 1), message(LID, "3EB0A2", false, 2)]).await;
    let [phone, lid] = [chat(&app, PHONE).await, chat(&app, LID).await];
    let connection = app.database().connect().await;
    let open = connection.begin().await.unwrap();
    let sql = format!(
        "INSERT INTO chat_reads (chat_id, reader, user_id, last_read_message_id, last_read_at) \
         SELECT chat_id, 'user:7', '7', message_id, sent_at FROM waha_messages WHERE chat_id = {lid}"
    );
    open.execute_unprepared(&sql).await.unwrap();
    app.post_json(&link("3EB0A5", 5)).await;
    let mut merge = std::pin::pin!(app.work_until_idle());
    let merged = timeout(Duration::from_secs(1), &mut merge).await;
    assert!(merged.is_err(), "did not wait for it");
    open.commit().await.unwrap();
    merge.await;
    assert_eq!(marks(&app).await, [expected(phone, "7", "3EB0A2")]);
}

async fn a_mark_for_another_name_is_the_conversations(kind: Kind) {
    let app = TestApp::start(kind).await;
    told(&app, &[message(PHONE, "3EB0A1", false, 1), link("3EB0A2", 2)]).await;
    let [phone, lid] = [chat(&app, PHONE).await, chat(&app, LID).await];
    mark(&app, up_to(lid, "7", "3EB0A2")).await.unwrap();
    mark(&app, up_to(phone, "7", "3EB0A1")).await.unwrap();
    assert_eq!(marks(&app).await, [expected(phone, "7", "3EB0A2")]);
}

/// Also one that names its reader as ours are.
async fn webhooks_leave_the_marks_of_users_alone(kind: Kind) {
    let app = TestApp::start(kind).await;
    told(&app, &[message(PHONE, "3EB0A1", false, 1), message(PHONE, "3EB0A2", false, 2)]).await;
    let chat = chat(&app, PHONE).await;
    mark(&app, up_to(chat, "7", "3EB0A1")).await.unwrap();
    let ack = |me: &str| {
        json!({
            "id": format!("evt_{me}"), "timestamp": (START + 9) * 1_000, "event": "message.ack",
            "session": "shop", "engine": "GOWS", "me": {"id": me},
            "payload": {"id": format!("false_{PHONE}_3EB0A2"), "from": PHONE, "fromMe": false,
                        "ack": 3},
        })
    };
    told(&app, &[ack("12025550100@c.us"), ack("user:7")]).await;
    let account = (chat, "12025550100@c.us".to_owned(), None, Some("3EB0A2".to_owned()));
    assert_eq!(marks(&app).await, [account, expected(chat, "7", "3EB0A1")]);
}

async fn a_time_is_the_newest_message_until_then(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks = [
        message(PHONE, "3EB0a", false, 3),
        message(PHONE, "3EB0B", false, 3),
        message(PHONE, "3EB0C", false, 5),
    ];
    told(&app, &webhooks).await;
    let chat = chat(&app, PHONE).await;
    for (second, id, at) in
        [(2, None, 2), (4, Some("3EB0a"), 3), (9, Some("3EB0C"), 5), (2, Some("3EB0C"), 5)]
    {
        let row = mark(&app, until(chat, "7", second)).await.unwrap();
        assert_eq!(row.last_read_message_id.as_deref(), id, "{second}");
        assert_eq!(row.last_read_at.unwrap().timestamp(), START + at, "{second}");
    }
    let back = UserRead { goes_back: true, ..until(chat, "7", 0) };
    let row = mark(&app, back).await.unwrap();
    assert_eq!((row.last_read_message_id, row.last_read_at.unwrap().timestamp()), (None, START));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_by_who_may() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let limits = "sessions = [\"shop\"]\n";
    let desk = Desk::open_limiting_application(&folder, &database, limits).await;
    crate::roles::fill(&desk).await;
    let db = database.connect().await;
    let chats = entity::waha_chats::Entity::find().find_also_related(entity::waha_sessions::Entity);
    let chats = chats.all(&db).await.unwrap();
    let of = |name: &str| {
        let is = |(_, session): &&(_, Option<entity::waha_sessions::Model>)| {
            session.as_ref().is_some_and(|session| session.name == name)
        };
        chats.iter().find(is).unwrap().0.id
    };
    let put = async |path: String, body: Value| {
        let asked = desk.request(Method::PUT, &format!("api/v1/chats/{path}"));
        let answer = asked.bearer_auth(secret("application")).json(&body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (shop, club) = (of("shop"), of("club"));
    let read = json!({ "message_id": "evt" });
    let (status, mark) = put(format!("{shop}/reads/anna%20b"), read.clone()).await;
    assert_eq!(status, StatusCode::OK, "{mark}");
    assert_eq!(mark["last_read_message_id"], "evt");
    assert_eq!((&mark["user_id"], &mark["chat_id"]), (&json!("anna b"), &json!(shop)));
    assert_eq!(mark["last_read_at"], "2026-09-21T14:13:20Z");
    let (_, problem) = put(format!("{shop}/reads/7"), json!({ "at": "yesterday" })).await;
    let said = "at: must be a time such as 2026-11-28T09:00:00Z, and is \"yesterday\"";
    assert_eq!(problem["detail"], said);
    let long = "x".repeat(251);
    for (path, body, expected) in [
        (format!("{club}/reads/7"), json!({ "message_id": "evt" }), StatusCode::NOT_FOUND),
        (format!("{}/reads/7", club + 100), read.clone(), StatusCode::NOT_FOUND),
        (format!("{shop}/reads/7"), json!({ "message_id": "evt_2" }), StatusCode::NOT_FOUND),
        (format!("{shop}/reads/7"), json!({}), StatusCode::BAD_REQUEST),
        (
            format!("{shop}/reads/7"),
            json!({ "at": "0001-01-01T00:00:00Z" }),
            StatusCode::BAD_REQUEST,
        ),
        (format!("{shop}/reads/7"), json!({ "read": true }), StatusCode::BAD_REQUEST),
        (format!("{shop}/reads/{long}"), read.clone(), StatusCode::BAD_REQUEST),
        (format!("{shop}/reads/%00"), read.clone(), StatusCode::BAD_REQUEST),
        (format!("{shop}/reads/a%FFb"), read.clone(), StatusCode::BAD_REQUEST),
        ("x/reads/7".to_owned(), read, StatusCode::BAD_REQUEST),
    ] {
        let (status, problem) = put(path.clone(), body).await;
        assert_eq!(status, expected, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
    }
}

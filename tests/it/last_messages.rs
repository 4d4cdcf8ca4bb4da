//! What a chat knows of its last messages: which is the last, when others and the account last wrote. The
//! same in any order of webhooks; notices, stubs and what moved elsewhere don't count.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use waha_ingest::simulate::{Families, Plan, history, shuffled};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::value;

on_each_database!(
    of_one_time_the_largest_id_is_the_last,
    of_two_chats_that_are_one_the_newest_counts,
    an_own_message_that_moves_takes_its_time_along,
    a_migration_finds_them_in_the_messages,
);

pub const PHONE: &str = "12025550142@c.us";
pub const LID: &str = "100000000000142@lid";
/// When the first message was sent, in seconds.
pub const START: i64 = 1_794_000_000;

/// A message of this second.
pub fn message(chat: &str, id: &str, from_me: bool, second: i64) -> Value {
    json!({
        "id": format!("evt_{chat}_{id}_{second}"), "timestamp": (START + second) * 1_000,
        "event": "message.any", "session": "shop", "engine": "GOWS",
        "me": {"id": "12025550100@c.us"},
        "payload": {"id": format!("{from_me}_{chat}_{id}"), "timestamp": START + second,
                    "from": chat, "fromMe": from_me, "body": "one", "ack": 1},
    })
}

/// One that shows that the two ids are one person.
pub fn link(id: &str, second: i64) -> Value {
    let mut body = message(LID, id, false, second);
    body["payload"]["_data"] =
        json!({"Info": {"Chat": LID, "Sender": LID, "SenderAlt": "12025550142@s.whatsapp.net"}});
    body
}

/// Who wrote last in each conversation: id of the chat, of its last message, seconds of it, of the last
/// of others and of the account.
async fn told(db: &DatabaseConnection) -> Vec<[String; 5]> {
    let columns = ["last_message_at", "last_inbound_at", "last_outbound_at"];
    let mut told = Vec::new();
    let order = "SELECT * FROM waha_chats WHERE merged_into IS NULL ORDER BY chat_id, session_id";
    for row in select(db, order).await {
        let text = |column: &str| row.try_get::<Option<String>>("", column).unwrap();
        let time = |column: &str| {
            let at: Option<chrono::DateTime<chrono::Utc>> = row.try_get("", column).unwrap();
            at.map_or("-".to_owned(), |at| (at.timestamp() - START).to_string())
        };
        let [last, inbound, outbound] = columns.map(time);
        let id = text("last_message_id").unwrap_or_else(|| "-".to_owned());
        told.push([text("chat_id").unwrap(), id, last, inbound, outbound]);
    }
    told
}

async fn select(db: &DatabaseConnection, sql: &str) -> Vec<sea_orm::QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}

/// What is told after these webhooks, in this order and backwards, one by one and at once.
async fn ends_with(kind: Kind, webhooks: &[Value], expected: &[[&str; 5]]) {
    let expected: Vec<[String; 5]> = expected.iter().map(|it| it.map(str::to_owned)).collect();
    for (backwards, one_by_one) in [(false, false), (false, true), (true, false), (true, true)] {
        let app = TestApp::start(kind).await;
        let mut webhooks = webhooks.to_vec();
        if backwards {
            webhooks.reverse();
        }
        for webhook in &webhooks {
            app.post_json(webhook).await;
            if one_by_one {
                app.work_until_idle().await;
            }
        }
        app.work_until_idle().await;
        let case = format!("backwards: {backwards}, one by one: {one_by_one}");
        assert_eq!(told(app.db()).await, expected, "{case}");
    }
}

async fn of_one_time_the_largest_id_is_the_last(kind: Kind) {
    let mut notice = message(PHONE, "3EB0Z1", false, 9);
    notice["payload"]["_data"] = json!({"type": "e2e_notification", "subtype": "encrypt"});
    notice["engine"] = "WEBJS".into();
    let ack = json!({
        "id": "evt_ack", "timestamp": (START + 12) * 1_000, "event": "message.ack",
        "session": "shop", "engine": "GOWS",
        "payload": {"id": format!("true_{PHONE}_3EB0Z2"), "from": PHONE, "fromMe": true, "ack": 2},
    });
    // Upper case comes first byte by byte, and last in a dictionary.
    let webhooks = [
        message(PHONE, "3EB0a", false, 5),
        message(PHONE, "3EB0B", false, 5),
        message(PHONE, "3EB0C", true, 4),
        message(PHONE, "3EB0D", true, 3),
        notice,
        ack,
        message("120363000000000001@g.us", "3EB0E", true, 7),
        message("120363000000000001@g.us", "3EB0F", true, 7),
    ];
    let expected =
        [[PHONE, "3EB0a", "5", "5", "4"], ["120363000000000001@g.us", "3EB0F", "7", "-", "7"]];
    ends_with(kind, &webhooks, &expected).await;
}

async fn of_two_chats_that_are_one_the_newest_counts(kind: Kind) {
    let webhooks = [
        message(PHONE, "3EB0A1", false, 1),
        message(PHONE, "3EB0A2", true, 8),
        message(LID, "3EB0A3", false, 6),
        message(LID, "3EB0A4", false, 8),
        link("3EB0A5", 2),
    ];
    ends_with(kind, &webhooks, &[[PHONE, "3EB0A4", "8", "8", "8"]]).await;
}

/// It was told under the LID, and under the phone number, which is its home.
async fn an_own_message_that_moves_takes_its_time_along(kind: Kind) {
    let webhooks = [
        message(LID, "3EB0A1", false, 1),
        message(LID, "3EB0A0", false, 1),
        message(LID, "3EB0B1", true, 0),
        message(LID, "3EB0B2", true, 5),
        message(PHONE, "3EB0B2", true, 5),
        message(PHONE, "3EB0A9", false, 2),
    ];
    let expected = [[LID, "3EB0A1", "1", "1", "0"], [PHONE, "3EB0B2", "5", "2", "5"]];
    ends_with(kind, &webhooks, &expected).await;
}

/// What the migration fills in is what webhooks tell.
async fn a_migration_finds_them_in_the_messages(kind: Kind) {
    let app = TestApp::start(kind).await;
    let plan =
        Plan { messages: 150, people: 12, groups: 3, families: Families::ALL, ..Plan::default() };
    app.publish_all(shuffled(1, 100, 0.1, history(&plan))).await;
    app.work_until_idle().await;
    let (before, written) = (told(app.db()).await, times(app.db()).await);
    assert!(before.iter().filter(|it| it[1] != "-").count() > 5, "{before:?}");
    let steps = Migrator::migrations();
    let name = "m20261129_000001_add_last_messages";
    let later = steps.iter().rev().position(|step| step.name() == name).unwrap();
    let count = u32::try_from(later + 1).unwrap();
    migration::down(app.db(), Some(count)).await.unwrap();
    migration::up(app.db()).await.unwrap();
    let fresh = app.database().connect().await;
    assert_eq!(told(&fresh).await, before);
    assert_eq!(times(&fresh).await, written, "nobody wrote anything");
}

/// When each chat was last changed.
async fn times(db: &DatabaseConnection) -> Vec<String> {
    let rows = select(db, "SELECT updated_at FROM waha_chats ORDER BY id").await;
    rows.iter().map(|row| value(row, "updated_at")).collect()
}

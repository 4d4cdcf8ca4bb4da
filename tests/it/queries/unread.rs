//! What is unread is the same by the API's marks and by those that are written as printed, to the second; and
//! messages with odd times are found.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait};
use serde_json::Value;
use waha_ingest::store::operations::reads::{ReadUpTo, UserRead};
use waha_ingest::store::operations::sessions::SessionReach;

use super::{PAGED, badge, document, inbox, of_session, query_of, rows, unread};
use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::last_messages::{PHONE, START, message};

on_each_database!(
    what_comes_later_in_the_second_of_a_mark_is_unread,
    a_message_of_the_future_hides_none_for_long,
    messages_with_odd_times_are_found,
);

/// When a message claims to be of, in seconds.
const IN_2099: i64 = 4_083_004_800;
const IN_2150: i64 = 5_680_281_600;

/// How a mark is set.
#[derive(Clone, Copy, Debug)]
enum By {
    Api,
    Sql,
}

/// A conversation that users read.
struct Reading {
    app: TestApp,
    chat: i64,
    by: By,
}

impl Reading {
    async fn of(kind: Kind, by: By, first: &[Value]) -> Self {
        let app = TestApp::start(kind).await;
        let mut reading = Self { app, chat: 0, by };
        reading.tell(first).await;
        reading.chat = reading.chat_row().await.id;
        reading
    }

    async fn tell(&self, webhooks: &[Value]) {
        for webhook in webhooks {
            self.app.post_json(webhook).await;
        }
        self.app.work_until_idle().await;
    }

    async fn chat_row(&self) -> entity::waha_chats::Model {
        entity::waha_chats::Entity::find().one(self.app.db()).await.unwrap().unwrap()
    }

    async fn mark(&self, id: &str) {
        match self.by {
            By::Api => {
                let up_to = ReadUpTo::Message(id.to_owned());
                let told =
                    UserRead { chat_id: self.chat, user_id: "7".into(), up_to, goes_back: false };
                self.app.store.mark_read(&told, &SessionReach::default()).await.unwrap().unwrap();
            }
            By::Sql => self.mark_as_printed(id).await,
        }
    }

    async fn mark_as_printed(&self, id: &str) {
        let language = match self.app.db().get_database_backend() {
            DbBackend::MySql => "mysql",
            _ => "postgresql",
        };
        let messages = entity::waha_messages::Entity::find().all(self.app.db()).await.unwrap();
        let row = messages.iter().find(|message| message.message_id == id).unwrap();
        let sql = document::block(language).replace("4711", &row.id.to_string());
        self.app
            .db()
            .execute_unprepared(&sql)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    /// Asserts what is unread by all queries.
    async fn has_unread(&self, count: i64, case: &str) {
        let by = self.by;
        assert_eq!(unread(&self.app, self.chat).await, count, "{by:?}: {case}");
        assert_eq!(inbox(&self.app, "user:7").await, [(PHONE.to_owned(), count)], "{by:?}: {case}");
        assert_eq!(badge(&self.app).await, i64::from(count > 0), "{by:?}: {case}");
    }

    /// Bare ids that a query of the document finds of the chat.
    async fn found(&self, title: &str) -> Vec<String> {
        let sql = of_session(self.app.db(), &query_of(title), "default", "shop").await;
        let sql = sql.replace("77001", &self.chat.to_string());
        let found = rows(self.app.db(), &sql).await;
        found.iter().map(|row| row.try_get("", "message_id").unwrap()).collect()
    }
}

/// Its webhook comes in time.
fn dated(id: &str, second: i64, claimed: i64) -> Value {
    let mut webhook = message(PHONE, id, false, second);
    webhook["payload"]["timestamp"] = claimed.into();
    webhook
}

async fn what_comes_later_in_the_second_of_a_mark_is_unread(kind: Kind) {
    for by in [By::Api, By::Sql] {
        let first = [
            message(PHONE, "3EB0A1", false, 1),
            message(PHONE, "3EB0B1", false, 2),
            message(PHONE, "3EB0B2", false, 2),
        ];
        let reading = Reading::of(kind, by, &first).await;
        reading.has_unread(3, "nothing is marked").await;
        reading.mark("3EB0A1").await;
        reading.has_unread(2, "the first").await;
        reading.mark("3EB0B1").await;
        reading.has_unread(0, "all that is there of its second").await;
        // Its id sorts before the others.
        reading.tell(&[message(PHONE, "3EB000", false, 2)]).await;
        reading.has_unread(1, "one more of that second").await;
        reading.mark("3EB0A1").await;
        reading.has_unread(1, "marks only go forward").await;
        reading.mark("3EB000").await;
        reading.has_unread(0, "that one").await;
        reading
            .tell(&[message(PHONE, "3EB0C1", true, 3), message(PHONE, "3EB0C0", false, 3)])
            .await;
        reading.has_unread(0, "who answers has read").await;
        reading.tell(&[message(PHONE, "3EB0D1", false, 4)]).await;
        reading.has_unread(1, "after the answer").await;
    }
}

async fn a_message_of_the_future_hides_none_for_long(kind: Kind) {
    for by in [By::Api, By::Sql] {
        let first = [message(PHONE, "3EB0A1", false, 1), dated("3EB0A2", 2, IN_2099)];
        let reading = Reading::of(kind, by, &first).await;
        reading.mark("3EB0A2").await;
        reading.has_unread(0, "both").await;
        let mark = entity::chat_reads::Entity::find().one(reading.app.db()).await.unwrap().unwrap();
        let last = reading.chat_row().await.last_message_at.unwrap();
        assert_eq!(mark.last_read_at, Some(last));
        assert!(last.timestamp() < IN_2099);
        let later = last.timestamp() - START + 1;
        reading.app.clock.advance(later * 1_000);
        reading.tell(&[message(PHONE, "3EB0A3", false, later)]).await;
        reading.has_unread(1, "what came later, and not that one again").await;
        reading.mark("3EB0A3").await;
        reading.has_unread(0, "all").await;
    }
}

async fn messages_with_odd_times_are_found(kind: Kind) {
    let mut timeless = message(PHONE, "3EB0A3", false, 3);
    timeless["payload"].as_object_mut().unwrap().remove("timestamp");
    let first = [message(PHONE, "3EB0A1", false, 1), dated("3EB0A2", 2, IN_2150), timeless];
    let reading = Reading::of(kind, By::Api, &first).await;
    assert_eq!(reading.found(PAGED[1].title).await, ["3EB0A2", "3EB0A1"]);
    assert_eq!(reading.found("Messages of a chat without a time").await, ["3EB0A3"]);
}

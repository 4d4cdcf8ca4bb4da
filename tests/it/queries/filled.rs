//! A database as an application meets it: a history, and copies of it as other sessions, so that a
//! plan which reads a whole table is a bad one.

use sea_orm::{ConnectionTrait, DbBackend};
use waha_ingest::simulate::{Plan, history};

use super::bulk::{self, Size};
use super::{rows, text};
use crate::app::TestApp;

/// The session that is asked about: NOWEB, which tells of labels, too.
const SESSION: &str = "desk_1";
/// Copies of the history.
const COPIES: u32 = 40;
/// Labels of a copied session, besides those of the history.
const LABELS: u32 = 20;
/// Ids of a copy are higher by a multiple of this.
const STRIDE: u32 = 100_000;

/// Values of this database for those that the document prints.
pub struct Values {
    pub session_id: i64,
    pub chat_id: i64,
    printed: Vec<(&'static str, String)>,
}

impl Values {
    pub fn put_into(&self, sql: &str) -> String {
        let put = |sql: String, (printed, own): &(&str, String)| sql.replace(printed, own);
        self.printed.iter().fold(sql.to_owned(), put)
    }
}

/// Fills the tables.
pub async fn fill(app: &TestApp, size: Size) -> Values {
    let plan = Plan { messages: 700, people: 20, groups: 4, sessions: 2, ..Plan::default() };
    app.publish_all(history(&plan)).await;
    app.work_until_idle().await;
    // In some histories all labels are deleted in the end.
    app.db().execute_unprepared("UPDATE waha_labels SET deleted = FALSE").await.unwrap();
    let values = values(app).await;
    for copy in 1..=COPIES {
        for sql in copies(copy) {
            app.db()
                .execute_unprepared(&sql)
                .await
                .unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
    }
    label(app).await;
    bulk::fill(app.db(), size, values.session_id, values.chat_id).await;
    let analyze = match app.db().get_database_backend() {
        DbBackend::MySql => format!(
            "ANALYZE TABLE {}",
            TABLES.map(|(table, _)| table).join(", ") + ", waha_chat_labels"
        ),
        _ => "ANALYZE".to_owned(),
    };
    app.db().execute_unprepared(&analyze).await.unwrap();
    values
}

/// Gives the copies labels, and every chat of theirs all of them.
async fn label(app: &TestApp) {
    for label in 0..LABELS {
        let sql = format!(
            "INSERT INTO waha_labels (session_id, label_id, name) \
             SELECT id, 'copy-{label}', 'Copy {label}' FROM waha_sessions WHERE id > {STRIDE}"
        );
        app.db().execute_unprepared(&sql).await.unwrap();
    }
    let sql = format!(
        "INSERT INTO waha_chat_labels (chat_id, label_id, is_set) \
         SELECT c.id, l.label_id, TRUE FROM waha_chats c \
         JOIN waha_labels l ON l.session_id = c.session_id WHERE c.id > {STRIDE}"
    );
    app.db().execute_unprepared(&sql).await.unwrap();
}

async fn values(app: &TestApp) -> Values {
    let of_session =
        format!("JOIN waha_sessions s ON s.id = c.session_id WHERE s.name = '{SESSION}'");
    let chat = format!(
        "SELECT c.id, c.chat_id, c.session_id, s.me_id FROM waha_chats c \
         JOIN waha_message_edits e ON e.chat_id = c.id \
         {of_session} AND c.kind = 'person' GROUP BY c.id, c.chat_id, c.session_id, s.me_id \
         ORDER BY COUNT(*) DESC, c.chat_id"
    );
    let chat = rows(app.db(), &chat).await.remove(0);
    let number = |column: &str| chat.try_get::<i64>("", column).unwrap();
    let (chat_id, session_id) = (number("id"), number("session_id"));
    let sent = format!(
        "SELECT m.message_id FROM waha_messages m JOIN waha_own_messages o \
         ON o.session_id = m.session_id AND o.message_id = m.message_id \
         WHERE m.chat_id = {chat_id} AND m.is_stub = FALSE AND m.from_me = TRUE ORDER BY m.message_id"
    );
    let sent = text(app.db(), &sent).await;
    let react = format!(
        "INSERT INTO waha_reactions (chat_id, message_id, reactor, text) \
         VALUES ({chat_id}, '{sent}', 'me-too', 'fine')"
    );
    app.db().execute_unprepared(&react).await.unwrap();
    let timeless = format!(
        "INSERT INTO waha_messages (session_id, chat_id, message_id, is_stub, is_amended, from_me, type, content, \
         status_rank) VALUES ({session_id}, {chat_id}, 'timeless', FALSE, FALSE, FALSE, 'text', 'a text', -1)"
    );
    app.db().execute_unprepared(&timeless).await.unwrap();
    let quoted = |column: &str| format!("'{}'", chat.try_get::<String>("", column).unwrap());
    let messages =
        format!("SELECT id FROM waha_messages WHERE chat_id = {chat_id} AND is_stub = FALSE");
    let messages = rows(app.db(), &messages).await;
    let messages = messages.iter().map(|row| row.try_get::<i64>("", "id").unwrap().to_string());
    let messages = messages.take(2).collect::<Vec<_>>();
    let group = format!(
        "SELECT c.chat_id FROM waha_chats c JOIN waha_participants p ON p.chat_id = c.id \
         {of_session} GROUP BY c.chat_id ORDER BY COUNT(*) DESC, c.chat_id"
    );
    let label = format!(
        "SELECT l.name FROM waha_chats c JOIN waha_chat_labels x ON x.chat_id = c.id AND x.is_set = TRUE \
         JOIN waha_labels l ON l.session_id = c.session_id AND l.label_id = x.label_id \
         {of_session} AND l.name IS NOT NULL AND (l.deleted IS NULL OR l.deleted = FALSE)"
    );
    let printed = vec![
        ("'shop'", format!("'{SESSION}'")),
        ("1001", session_id.to_string()),
        ("77001", chat_id.to_string()),
        ("4711, 4712", messages.join(", ")),
        ("'12025550142@c.us'", quoted("chat_id")),
        ("'12025550100@c.us'", quoted("me_id")),
        ("'120363000000000001@g.us'", format!("'{}'", text(app.db(), &group).await)),
        ("'VIP'", format!("'{}'", text(app.db(), &label).await)),
        ("3EB0C431C26A1916E07E", sent),
    ];
    Values { session_id, chat_id, printed }
}

/// Tables in an order that foreign keys allow, with the columns that plans depend on. `id`,
/// `session_id` and `chat_id` are moved, `source` names the copy.
const TABLES: [(&str, &str); 11] = [
    ("waha_sessions", "id, source, name, me_id"),
    ("waha_session_statuses", "session_id, status, at"),
    (
        "waha_chats",
        "id, session_id, chat_id, kind, last_message_at, last_message_id, last_inbound_at, last_outbound_at",
    ),
    ("waha_contacts", "session_id, jid, phone, lid"),
    (
        "waha_messages",
        "session_id, chat_id, message_id, is_stub, is_amended, from_me, type, content, status, \
         status_rank, sent_at, created_at",
    ),
    ("waha_reactions", "chat_id, message_id, reactor, text, reacted_at"),
    ("waha_message_edits", "chat_id, message_id, author, edit_id, content, edited_at"),
    ("chat_reads", "chat_id, reader, last_read_at"),
    ("waha_calls", "session_id, call_id, type, received_at, rejected_at, rejected_reason"),
    ("waha_participants", "chat_id, jid, role, is_member"),
    ("waha_labels", "session_id, label_id, name"),
];

fn copies(copy: u32) -> impl Iterator<Item = String> {
    TABLES.into_iter().map(move |(table, columns)| {
        let value = |column: &str| match (column, table) {
            ("source", _) => format!("'copy-{copy}'"),
            ("chat_id", "waha_chats") => "chat_id".to_owned(),
            ("id" | "session_id" | "chat_id", _) => format!("{column} + {}", copy * STRIDE),
            _ => column.to_owned(),
        };
        let values = columns.split(", ").map(value).collect::<Vec<_>>().join(", ");
        let key = if columns.contains("session_id") { "session_id" } else { "chat_id" };
        let key = if table == "waha_sessions" { "id" } else { key };
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {key} < {STRIDE}"
        )
    })
}

//! Makes the session that is asked about a large one: chats, people and messages by `INSERT … SELECT`, many of
//! one second, so that a page that begins by the time alone loses some.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub chats: u32,
    /// Messages of each of these chats.
    pub messages: u32,
    /// Messages more in the chat whose history is read.
    pub history: u32,
}

impl Size {
    /// Of all that is in the tables, which have some 25,000 messages of other sessions.
    pub const fn is_small_part(self) -> bool {
        self.chats * self.messages + self.history < 25_000
    }
}

/// Messages of one second in a chat.
const OF_SECOND: u32 = 4;
/// What the ids of bulk chats begin with: numbers that nobody has.
const PREFIX: &str = "1999";

/// What one database says differently.
struct Sql(DbBackend);

/// Fills the session; `chat_id` is the row of the chat whose history is read.
pub async fn fill(db: &DatabaseConnection, size: Size, session_id: i64, chat_id: i64) {
    let sql = Sql(db.get_database_backend());
    let bulk = format!("c.session_id = {session_id} AND c.chat_id LIKE '{PREFIX}%'");
    let statements = [
        sql.chats(session_id, size.chats),
        sql.people(session_id, size.chats),
        sql.messages(&bulk, size.messages),
        sql.messages(&format!("c.id = {chat_id}"), size.history),
        // Else MariaDB reads the session's messages for each chat.
        sql.analyze("waha_messages"),
        Sql::last_messages(session_id),
        format!(
            "INSERT INTO chat_reads (chat_id, reader, user_id, last_read_message_id, last_read_at) \
             SELECT c.id, 'user:7', '7', CASE WHEN c.id % 4 = 0 THEN c.last_message_id END, \
             CASE WHEN c.id % 4 = 0 THEN c.last_message_at ELSE {} END \
             FROM waha_chats c WHERE {bulk} AND c.id % 2 = 0",
            sql.time("5")
        ),
    ];
    for statement in statements {
        let done = db.execute_unprepared(&statement).await;
        done.unwrap_or_else(|error| panic!("{error}\n{statement}"));
    }
}

impl Sql {
    fn chats(&self, session_id: i64, count: u32) -> String {
        let name = self.concat(&format!("'{PREFIX}'"), "n.i", "'@c.us'");
        let from = numbers(count);
        format!(
            "INSERT INTO waha_chats (session_id, chat_id, kind) SELECT {session_id}, {name}, 'person' {from}"
        )
    }

    fn people(&self, session_id: i64, count: u32) -> String {
        let jid = self.concat(&format!("'{PREFIX}'"), "n.i", "'@c.us'");
        let name = self.concat("'Joanna '", "n.i", "''");
        let from = numbers(count);
        format!(
            "INSERT INTO waha_contacts (session_id, jid, phone, push_name) \
             SELECT {session_id}, {jid}, {jid}, {name} {from}"
        )
    }

    /// Of each three the account wrote one, and the last message is somebody else's in most chats.
    fn messages(&self, chats: &str, count: u32) -> String {
        let id = self.concat("'bulk'", "n.i", "''");
        let second = format!("n.i / {OF_SECOND} + c.id % 50");
        let second = if self.0 == DbBackend::MySql { second.replace('/', "DIV") } else { second };
        let time = self.time(&second);
        let from = numbers(count).replace("WHERE", "CROSS JOIN waha_chats c WHERE");
        format!(
            "INSERT INTO waha_messages (session_id, chat_id, message_id, is_stub, is_amended, from_me, type, \
             content, status, status_rank, sent_at) SELECT c.session_id, c.id, {id}, FALSE, FALSE, \
             CASE WHEN n.i % 3 = 0 THEN TRUE ELSE FALSE END, 'text', 'a text', \
             CASE WHEN n.i % 60 = 0 THEN 'failed' ELSE 'read' END, 4, {time} {from} AND {chats}"
        )
    }

    /// As webhooks would have told them.
    fn last_messages(session_id: i64) -> String {
        let newest = |column: &str, which: &str| {
            format!(
                "(SELECT {column} FROM waha_messages m WHERE m.session_id = waha_chats.session_id \
                 AND m.chat_id = waha_chats.id AND m.is_stub = FALSE AND m.is_notice = FALSE{which} \
                 ORDER BY m.sent_at DESC, m.message_id DESC LIMIT 1)"
            )
        };
        format!(
            "UPDATE waha_chats SET last_message_at = {}, last_message_id = {}, last_inbound_at = {}, \
             last_outbound_at = {} WHERE session_id = {session_id} AND merged_into IS NULL",
            newest("m.sent_at", ""),
            newest("m.message_id", ""),
            newest("m.sent_at", " AND m.from_me = FALSE"),
            newest("m.sent_at", " AND m.from_me = TRUE"),
        )
    }

    fn analyze(&self, table: &str) -> String {
        match self.0 {
            DbBackend::MySql => format!("ANALYZE TABLE {table}"),
            _ => format!("ANALYZE {table}"),
        }
    }

    fn concat(&self, one: &str, other: &str, end: &str) -> String {
        match self.0 {
            DbBackend::MySql => format!("CONCAT({one}, {other}, {end})"),
            _ => format!("{one} || {other} || {end}"),
        }
    }

    /// So many seconds after a day.
    fn time(&self, seconds: &str) -> String {
        match self.0 {
            DbBackend::MySql => format!("DATE_ADD('2026-09-20', INTERVAL ({seconds}) SECOND)"),
            DbBackend::Postgres => {
                format!("TIMESTAMPTZ '2026-09-20 00:00:00+00' + ({seconds}) * INTERVAL '1 second'")
            }
            _ => {
                format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', 1789862400 + {seconds}, 'unixepoch')")
            }
        }
    }
}

/// `FROM` numbers `n.i` from 0 on, and a condition that others can be added to.
fn numbers(count: u32) -> String {
    let digits = (0..10).map(|digit| format!("SELECT {digit} AS d")).collect::<Vec<_>>();
    let digits = digits.join(" UNION ALL ");
    let place = |name: &str| format!("({digits}) {name}");
    let places = ["a", "b", "c", "d"].map(place).join(" CROSS JOIN ");
    format!(
        "FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d AS i FROM {places}) n WHERE n.i < {count}"
    )
}

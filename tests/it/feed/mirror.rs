//! A follower: it reads again the rows that the feed names, as its documentation says, and thereby has a
//! copy of what applications see.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use waha_ingest::store::Store;
use waha_ingest::store::feed::ChangeKind;

use crate::rows::value;

/// What applications follow; of messages those that lists show.
pub const TABLES: [&str; 15] = [
    "waha_sessions",
    "waha_session_statuses",
    "waha_contacts",
    "waha_chats",
    MESSAGES,
    "waha_message_referrals",
    "waha_reactions",
    "waha_poll_votes",
    "waha_event_responses",
    "waha_message_acks",
    "waha_calls",
    "chat_reads",
    "waha_participants",
    "waha_labels",
    "waha_chat_labels",
];
const MESSAGES: &str = "waha_visible_messages";
/// Bookkeeping that no change tells.
const HIDDEN: [&str; 3] = ["created_at", "is_amended", "received_rank"];

/// Rows by table and id, as texts by column.
type Rows = BTreeMap<(&'static str, i64), BTreeMap<String, String>>;

#[derive(Default)]
pub struct Mirror {
    rows: Rows,
    position: i64,
}

impl Mirror {
    /// Reads on.
    pub async fn follow(&mut self, store: &Store) {
        let (state, changes) = super::read_all(store, self.position).await;
        let db = store.connection();
        for change in &changes {
            assert_eq!(change.position, self.position + 1, "dense");
            self.position = change.position;
            let kind = ChangeKind::of(&change.kind).unwrap();
            let table = if kind.table() == "waha_messages" { MESSAGES } else { kind.table() };
            self.read(&db, table, &format!("id = {}", change.row_id), |_, id| id == change.row_id)
                .await;
            if kind == ChangeKind::ChatMerged {
                self.merge_chat(&db, change.row_id).await;
            }
        }
        assert_eq!(self.position, state.position);
    }

    /// All that was in a chat is in another one.
    async fn merge_chat(&mut self, db: &DatabaseConnection, chat: i64) {
        let into = self.rows.get(&("waha_chats", chat)).map(|row| row["merged_into"].clone());
        let into = into.expect("it points somewhere");
        for table in TABLES.into_iter().filter(|table| *table != "waha_chats") {
            if self.has_chats(db, table).await {
                let former = chat.to_string();
                self.read(db, table, &format!("chat_id IN ({chat}, {into})"), |row, _| {
                    row.get("chat_id").is_some_and(|it| *it == former || *it == into)
                })
                .await;
            }
        }
    }

    async fn has_chats(&self, db: &DatabaseConnection, table: &str) -> bool {
        let sql = format!("SELECT chat_id FROM {table} WHERE 1 = 0");
        db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.is_ok()
    }

    /// Reads rows again and forgets those of these that are gone.
    async fn read(
        &mut self,
        db: &DatabaseConnection,
        table: &'static str,
        which: &str,
        is_of: impl Fn(&BTreeMap<String, String>, i64) -> bool,
    ) {
        self.rows.retain(|(other, id), row| *other != table || !is_of(row, *id));
        for (id, row) in select(db, table, which).await {
            self.rows.insert((table, id), row);
        }
    }

    /// Panics where a row differs from the table's.
    pub async fn assert_equal(&self, db: &DatabaseConnection) {
        for table in TABLES {
            let expected = select(db, table, "1 = 1").await;
            let mine = self.rows.iter().filter(|((other, _), _)| *other == table);
            let mine: BTreeMap<i64, _> = mine.map(|((_, id), row)| (*id, row.clone())).collect();
            for (id, row) in &expected {
                assert_eq!(mine.get(id), Some(row), "row {id} of {table}");
            }
            assert_eq!(mine.len(), expected.len(), "{table}");
        }
    }
}

async fn select(
    db: &DatabaseConnection,
    table: &str,
    which: &str,
) -> BTreeMap<i64, BTreeMap<String, String>> {
    let sql = format!("SELECT * FROM {table} WHERE {which}");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let rows = rows.unwrap().into_iter().map(|row| {
        let is_shown = |column: &String| {
            let is_version = column.ends_with("version") && column != "waha_version";
            !is_version && !column.ends_with("_rank") && !HIDDEN.contains(&column.as_str())
        };
        let columns = row.column_names().into_iter().filter(is_shown);
        let fields = columns.map(|column| (column.clone(), value(&row, &column))).collect();
        (row.try_get("", "id").unwrap(), fields)
    });
    rows.collect()
}

//! A follower: it reads again the rows that the feed names, as its documentation says, and thereby has a
//! copy of what applications see.

use std::collections::{BTreeMap, BTreeSet};

use entity::waha_changes;
use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, IdenStatic,
    Iterable, QueryFilter, QueryOrder, Statement,
};
use waha_ingest::store::feed::{ChangeKind, EntityUse};

use crate::rows::value;

/// What applications follow, of messages those that lists show; and whether its rows belong to chats.
pub fn tables() -> BTreeMap<&'static str, bool> {
    let table = |kind: &ChangeKind| match kind.table() {
        "waha_messages" => MESSAGES,
        table => table,
    };
    ChangeKind::ALL.iter().map(|kind| (table(kind), kind.with_entity(IsInChat))).collect()
}

/// Whether an entity's rows belong to rows of `waha_chats`.
struct IsInChat;

impl EntityUse for IsInChat {
    type Output = bool;

    fn with<E: EntityTrait>(self) -> bool {
        E::Column::iter().any(|column| {
            column.as_str() == "chat_id"
                && *column.def().get_column_type() == ColumnType::BigInteger
        })
    }
}

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
    /// The last position that it has.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Reads on. After an error it goes on from the last change that it has whole.
    pub async fn follow(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        for change in self.read_on(db).await? {
            assert_eq!(change.position, self.position + 1, "dense");
            let kind = ChangeKind::of(&change.kind).unwrap();
            let table = if kind.table() == "waha_messages" { MESSAGES } else { kind.table() };
            self.read(db, table, &format!("id = {}", change.row_id), |_, id| id == change.row_id)
                .await?;
            if kind == ChangeKind::ChatMerged {
                self.merge_chat(db, change.row_id).await?;
            }
            self.position = change.position;
        }
        Ok(())
    }

    /// What comes next, and is committed by now.
    async fn read_on(&self, db: &DatabaseConnection) -> Result<Vec<waha_changes::Model>, DbErr> {
        use waha_changes::{Column, Entity};
        let next = Entity::find().filter(Column::Position.gt(self.position));
        next.order_by_asc(Column::Position).all(db).await
    }

    /// All that was in a chat is in another one.
    async fn merge_chat(&mut self, db: &DatabaseConnection, chat: i64) -> Result<(), DbErr> {
        let into = self.rows.get(&("waha_chats", chat)).map(|row| row["merged_into"].clone());
        let into = into.expect("it points somewhere");
        for (table, _) in tables().into_iter().filter(|(_, is_in_chat)| *is_in_chat) {
            let former = chat.to_string();
            self.read(db, table, &format!("chat_id IN ({chat}, {into})"), |row, _| {
                row.get("chat_id").is_some_and(|it| *it == former || *it == into)
            })
            .await?;
        }
        Ok(())
    }

    /// Reads rows again and forgets those of these that are gone.
    async fn read(
        &mut self,
        db: &DatabaseConnection,
        table: &'static str,
        which: &str,
        is_of: impl Fn(&BTreeMap<String, String>, i64) -> bool,
    ) -> Result<(), DbErr> {
        let found = select(db, table, which).await?;
        self.rows.retain(|(other, id), row| *other != table || !is_of(row, *id));
        self.rows.extend(found.into_iter().map(|(id, row)| ((table, id), row)));
        Ok(())
    }

    /// A row that differs from the table's, in words.
    pub async fn difference(&self, db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
        for table in tables().into_keys() {
            let expected = select(db, table, "1 = 1").await?;
            let mine = self.rows.iter().filter(|((other, _), _)| *other == table);
            let mine: BTreeMap<i64, _> = mine.map(|((_, id), row)| (*id, row.clone())).collect();
            let ids: BTreeSet<&i64> = expected.keys().chain(mine.keys()).collect();
            let differs = ids.into_iter().find(|id| expected.get(id) != mine.get(id));
            if let Some(id) = differs {
                let (should, is) = (expected.get(id), mine.get(id));
                return Ok(Some(format!("row {id} of {table} is {is:?}, should be {should:?}")));
            }
        }
        Ok(None)
    }
}

async fn select(
    db: &DatabaseConnection,
    table: &str,
    which: &str,
) -> Result<BTreeMap<i64, BTreeMap<String, String>>, DbErr> {
    let sql = format!("SELECT * FROM {table} WHERE {which}");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let rows = rows.into_iter().map(|row| {
        let is_shown = |column: &String| {
            let is_version = column.ends_with("version") && column != "waha_version";
            !is_version && !column.ends_with("_rank") && !HIDDEN.contains(&column.as_str())
        };
        let columns = row.column_names().into_iter().filter(is_shown);
        let fields = columns.map(|column| (column.clone(), value(&row, &column))).collect();
        (row.try_get("", "id").unwrap(), fields)
    });
    Ok(rows.collect())
}

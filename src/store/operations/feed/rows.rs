//! What changed together with its row, as applications get it: by HTTP, by the exchange and by webhooks.
//!
//! Called by every way out of the feed but SQL. The row is read when it is told, as it then is, so it is at
//! least as new as the position; one statement reads all of a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::SecondsFormat;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, IdenStatic, Iterable, ModelTrait, QueryFilter,
    QuerySelect, Value,
};
use serde_json::{Map, Value as Json};

use entity::{
    chat_reads, waha_calls, waha_changes, waha_chat_labels, waha_chats, waha_contacts,
    waha_event_responses, waha_join_requests, waha_labels, waha_message_acks,
    waha_message_referrals, waha_messages, waha_participants, waha_poll_votes, waha_reactions,
    waha_session_statuses, waha_sessions, waha_visible_messages,
};

use crate::store::Store;
use crate::store::feed::ChangeKind;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::is_bookkeeping;

/// A change with the row that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeWithRow {
    /// What changed.
    pub change: waha_changes::Model,
    /// The row as it is now, an object with the table's columns but for bookkeeping. None if it is gone, or a
    /// message that lists don't show: a stub, or one that gave way to another row.
    pub row: Option<Json>,
    /// Of a message that gave way: the row that it became.
    pub merged_into: Option<i64>,
}

/// Rows of one table by their ids.
type RowsById = HashMap<i64, Json>;

impl Store {
    /// Reads the rows of changes, as they are now. At most [`PAGE_MAX`](super::PAGE_MAX) changes.
    pub async fn with_rows(
        &self,
        changes: Vec<waha_changes::Model>,
    ) -> Result<Vec<ChangeWithRow>, StoreError> {
        let db = &self.pool().db;
        let mut ids: BTreeMap<&str, (ChangeKind, BTreeSet<i64>)> = BTreeMap::new();
        for (kind, change) in changes.iter().filter_map(known) {
            ids.entry(kind.table()).or_insert((kind, BTreeSet::new())).1.insert(change.row_id);
        }
        let mut rows: HashMap<&str, RowsById> = HashMap::new();
        let mut pointers = HashMap::new();
        for (table, (kind, ids)) in ids {
            let found = read(db, kind, &ids).await?;
            if table == ChangeKind::MessageMerged.table() {
                let hidden = ids.into_iter().filter(|id| !found.contains_key(id)).collect();
                pointers = read_pointers(db, hidden).await?;
            }
            rows.insert(table, found);
        }
        let with_row = |change: waha_changes::Model| {
            let table = ChangeKind::of(&change.kind).map(ChangeKind::table);
            let row = table.and_then(|table| rows.get(table)?.get(&change.row_id)).cloned();
            let is_message = table == Some(ChangeKind::MessageMerged.table());
            let merged_into = if is_message { pointers.get(&change.row_id).copied() } else { None };
            ChangeWithRow { change, row, merged_into }
        };
        Ok(changes.into_iter().map(with_row).collect())
    }
}

/// A change of a kind that this release knows.
fn known(change: &waha_changes::Model) -> Option<(ChangeKind, &waha_changes::Model)> {
    Some((ChangeKind::of(&change.kind)?, change))
}

async fn read(
    db: &DatabaseConnection,
    kind: ChangeKind,
    ids: &BTreeSet<i64>,
) -> Result<RowsById, StoreError> {
    use ChangeKind as Kind;
    match kind {
        Kind::Session => of::<waha_sessions::Entity>(db, ids).await,
        Kind::SessionStatus => of::<waha_session_statuses::Entity>(db, ids).await,
        Kind::Contact => of::<waha_contacts::Entity>(db, ids).await,
        Kind::ChatUpdated | Kind::ChatCreated | Kind::ChatMerged => {
            of::<waha_chats::Entity>(db, ids).await
        }
        Kind::MessageStatus
        | Kind::MessageUpdated
        | Kind::MessageEdited
        | Kind::MessageRevoked
        | Kind::MessageCreated
        | Kind::MessageMerged
        | Kind::MessageDeleted => of::<waha_visible_messages::Entity>(db, ids).await,
        Kind::Referral => of::<waha_message_referrals::Entity>(db, ids).await,
        Kind::Reaction => of::<waha_reactions::Entity>(db, ids).await,
        Kind::PollVote => of::<waha_poll_votes::Entity>(db, ids).await,
        Kind::EventResponse => of::<waha_event_responses::Entity>(db, ids).await,
        Kind::MemberAck => of::<waha_message_acks::Entity>(db, ids).await,
        Kind::Call => of::<waha_calls::Entity>(db, ids).await,
        Kind::Read => of::<chat_reads::Entity>(db, ids).await,
        Kind::Participant => of::<waha_participants::Entity>(db, ids).await,
        Kind::JoinRequest => of::<waha_join_requests::Entity>(db, ids).await,
        Kind::Label => of::<waha_labels::Entity>(db, ids).await,
        Kind::ChatLabel => of::<waha_chat_labels::Entity>(db, ids).await,
    }
}

async fn of<E>(db: &DatabaseConnection, ids: &BTreeSet<i64>) -> Result<RowsById, StoreError>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let which = Expr::col(ID).is_in(ids.iter().copied());
    let rows = E::find().filter(which).all(db).await?;
    let by_id = rows.iter().map(row_json).filter_map(|row| Some((row[ID].as_i64()?, row)));
    Ok(by_id.collect())
}

/// Where messages went that gave way.
async fn read_pointers(
    db: &DatabaseConnection,
    ids: Vec<i64>,
) -> Result<HashMap<i64, i64>, StoreError> {
    use waha_messages::{Column, Entity};
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let select = Entity::find().select_only().columns([Column::Id, Column::MergedInto]);
    let which = Column::Id.is_in(ids).and(Column::MergedInto.is_not_null());
    let found: Vec<(i64, i64)> = select.filter(which).into_tuple().all(db).await?;
    Ok(found.into_iter().collect())
}

/// The key of every table that the feed tells of.
const ID: &str = "id";

/// A row as an object. Times are RFC 3339 with microseconds; JSON texts stay texts, as in the tables.
pub(in crate::store::operations) fn row_json<M: ModelTrait>(model: &M) -> Json {
    let columns = <M::Entity as EntityTrait>::Column::iter();
    let shown = columns.filter(|column| !is_bookkeeping(column.as_str()));
    let fields = shown.map(|column| (column.as_str().to_owned(), json_value(model.get(column))));
    Json::Object(fields.collect::<Map<_, _>>())
}

fn json_value(value: Value) -> Json {
    match value {
        Value::Bool(told) => told.into(),
        Value::SmallInt(told) => told.into(),
        Value::Int(told) => told.into(),
        Value::BigInt(told) => told.into(),
        Value::String(told) => told.into(),
        Value::ChronoDateTimeUtc(told) => {
            told.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)).into()
        }
        // Of no column of these tables; a test reads one row of each.
        _ => Json::Null,
    }
}

//! Reads who stands for whom, under locks that hold until the transaction ends.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, Statement};

use super::canonical::CanonicalIds;
use crate::change::PersonKey;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::of_pairs;
use crate::store::tables::contact;

/// Keys per statement: far below any limit of parameters.
const KEYS_MAX: usize = 5_000;

/// What others may do meanwhile.
#[derive(Clone, Copy)]
enum PersonLock {
    /// Write under the same names, and names, but merge nobody.
    Share,
    /// Wait.
    Exclusive,
}

impl PersonLock {
    /// PostgreSQL's weakest one lets others update the row; MySQL has none like it, and MariaDB
    /// knows the old word only. SQLite has one writer at a time.
    fn sql(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (_, Dialect::Sqlite) => "",
            (Self::Share, Dialect::Postgres) => " FOR KEY SHARE OF waha_contacts",
            (Self::Exclusive, Dialect::Postgres) => " FOR UPDATE OF waha_contacts",
            (Self::Share, Dialect::MySql) => " LOCK IN SHARE MODE",
            (Self::Exclusive, Dialect::MySql) => " FOR UPDATE",
        }
    }
}

/// Who stands for these people; nobody merges them until the transaction ends.
pub(super) async fn lock_shared(
    context: &WriteContext<'_>,
    people: &[(i64, PersonKey)],
) -> Result<CanonicalIds, StoreError> {
    lock_people(context, people, PersonLock::Share).await
}

/// The same, and nobody writes under their names.
pub(super) async fn lock_exclusive(
    context: &WriteContext<'_>,
    people: &[(i64, PersonKey)],
) -> Result<CanonicalIds, StoreError> {
    lock_people(context, people, PersonLock::Exclusive).await
}

async fn lock_people(
    context: &WriteContext<'_>,
    people: &[(i64, PersonKey)],
    lock: PersonLock,
) -> Result<CanonicalIds, StoreError> {
    let mut canonical_ids = CanonicalIds::with_capacity(people.len());
    for people in people.chunks(KEYS_MAX) {
        let pairs: HashMap<(i64, String), &PersonKey> =
            people.iter().map(|(session, key)| ((*session, key.jid.clone()), key)).collect();
        for row in context.db.query_all_raw(select_people(context, pairs.keys(), lock)).await? {
            let jid: String = row.try_get("", "jid")?;
            let phone: Option<String> = row.try_get("", "phone")?;
            let pair = (row.try_get("", "session_id")?, jid);
            if let Some(key) = pairs.get(&pair) {
                canonical_ids.insert((*key).clone(), phone.unwrap_or(pair.1));
            }
        }
    }
    Ok(canonical_ids)
}

/// In the order in which rows are inserted: byte by byte, whatever the database's own order is. Order and lock
/// are text behind a constant statement (`sql/select`): sea-query has no collation within an order, and no
/// lock's words of MariaDB.
fn select_people<'p>(
    context: &WriteContext<'_>,
    people: impl Iterator<Item = &'p (i64, String)>,
    lock: PersonLock,
) -> Statement {
    let columns = ["session_id", "jid", "phone"];
    let pair = ("session_id", "jid");
    let mut select = of_pairs(context.dialect, contact::TABLE, pair, &columns, people);
    select.sql.push_str(match context.dialect {
        Dialect::Postgres => " ORDER BY session_id, jid COLLATE \"C\"",
        Dialect::Sqlite | Dialect::MySql => " ORDER BY session_id, jid",
    });
    select.sql.push_str(lock.sql(context.dialect));
    select
}

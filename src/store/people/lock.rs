//! Reads who stands for whom, under locks that hold until the transaction ends.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, Statement};

use super::Standing;
use crate::change::PersonKey;
use crate::store::StoreError;
use crate::store::dialect::Dialect;
use crate::store::rows::contact;
use crate::store::select::of_pairs;
use crate::store::write::Writer;

/// Keys per statement: far below any limit of parameters.
const KEYS_MAX: usize = 5_000;

/// What others may do meanwhile.
#[derive(Clone, Copy)]
enum Lock {
    /// Write under the same names, and names, but unite nobody.
    Share,
    /// Wait.
    Exclusive,
}

impl Lock {
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

impl Writer<'_> {
    /// Who stands for these people; nobody unites them until the transaction ends.
    pub(super) async fn share(&self, people: &[(i64, PersonKey)]) -> Result<Standing, StoreError> {
        self.locked(people, Lock::Share).await
    }

    /// The same, and nobody writes under their names.
    pub(super) async fn exclude(
        &self,
        people: &[(i64, PersonKey)],
    ) -> Result<Standing, StoreError> {
        self.locked(people, Lock::Exclusive).await
    }

    async fn locked(
        &self,
        people: &[(i64, PersonKey)],
        lock: Lock,
    ) -> Result<Standing, StoreError> {
        let mut standing = Standing::with_capacity(people.len());
        for people in people.chunks(KEYS_MAX) {
            let pairs: HashMap<(i64, String), &PersonKey> =
                people.iter().map(|(session, key)| ((*session, key.jid.clone()), key)).collect();
            for row in self.db.query_all_raw(self.select(pairs.keys(), lock)).await? {
                let jid: String = row.try_get("", "jid")?;
                let phone: Option<String> = row.try_get("", "phone")?;
                let pair = (row.try_get("", "session_id")?, jid);
                if let Some(key) = pairs.get(&pair) {
                    standing.insert((*key).clone(), phone.unwrap_or(pair.1));
                }
            }
        }
        Ok(standing)
    }

    /// In the order in which rows are inserted: byte by byte, whatever the database's own order is.
    fn select<'p>(&self, people: impl Iterator<Item = &'p (i64, String)>, lock: Lock) -> Statement {
        let columns = ["session_id", "jid", "phone"];
        let pair = ("session_id", "jid");
        let mut select = of_pairs(self.dialect, contact::TABLE, pair, &columns, people);
        select.sql.push_str(match self.dialect {
            Dialect::Postgres => " ORDER BY session_id, jid COLLATE \"C\"",
            Dialect::Sqlite | Dialect::MySql => " ORDER BY session_id, jid",
        });
        select.sql.push_str(lock.sql(self.dialect));
        select
    }
}

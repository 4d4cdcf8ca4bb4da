//! Reads who stands for whom, under locks that hold until the transaction ends.

use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend};

use super::Standing;
use crate::change::PersonKey;
use crate::store::StoreError;
use crate::store::rows::contact;
use crate::store::write::Writer;

/// Keys per statement: far below any limit of parameters.
const KEYS_MAX: usize = 5_000;

/// What others may do meanwhile.
#[derive(Clone, Copy)]
enum Lock {
    /// Write under the same names, but unite nobody.
    Share,
    /// Wait.
    Exclusive,
}

impl Lock {
    /// MariaDB knows the old word for a share lock only. SQLite has one writer at a time.
    fn sql(self, backend: DbBackend) -> &'static str {
        match (self, backend) {
            (Self::Share, DbBackend::Postgres) => " FOR SHARE",
            (Self::Share, DbBackend::MySql) => " LOCK IN SHARE MODE",
            (Self::Exclusive, DbBackend::Postgres | DbBackend::MySql) => " FOR UPDATE",
            (Self::Share | Self::Exclusive, _) => "",
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
        let backend = self.db.get_database_backend();
        let mut standing = Standing::with_capacity(people.len());
        for people in people.chunks(KEYS_MAX) {
            let asked: HashMap<(i64, &str), &PersonKey> =
                people.iter().map(|(session, key)| ((*session, key.jid.as_str()), key)).collect();
            let mut statement = backend.build(&select(people, backend));
            statement.sql.push_str(lock.sql(backend));
            for row in self.db.query_all_raw(statement).await? {
                let jid: String = row.try_get("", "jid")?;
                let phone: Option<String> = row.try_get("", "phone")?;
                let session = row.try_get("", "session_id")?;
                if let Some(key) = asked.get(&(session, jid.as_str())) {
                    standing.insert((*key).clone(), phone.unwrap_or(jid));
                }
            }
        }
        Ok(standing)
    }
}

/// In the order in which rows are inserted: byte by byte, whatever the database's own order is.
fn select(people: &[(i64, PersonKey)], backend: DbBackend) -> SelectStatement {
    let mut groups: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for (session, key) in people {
        groups.entry(*session).or_default().push(&key.jid);
    }
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut any = Cond::any();
    for (session, jids) in groups {
        let of_session = Cond::all().add(column("session_id").eq(session));
        any = any.add(of_session.add(column("jid").is_in(jids)));
    }
    let by_bytes = if backend == DbBackend::Postgres { "jid COLLATE \"C\"" } else { "jid" };
    let mut select = Query::select();
    select
        .columns(["session_id", "jid", "phone"].map(Alias::new))
        .from(Alias::new(contact::TABLE))
        .cond_where(any)
        .order_by(Alias::new("session_id"), sea_orm::Order::Asc)
        .order_by_expr(Expr::cust(by_bytes), sea_orm::Order::Asc);
    select
}

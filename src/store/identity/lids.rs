//! Tells all ids of a person which LID they have: the first of those that the person has.
//!
//! Called when an id turns out to be somebody's, under the locks of `resolve_people`.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::change::person::is_lid;
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::{KEYS_MAX, of_pairs};
use crate::store::tables::contact;

/// An id of a person.
pub(super) struct PersonId {
    session_id: i64,
    name: String,
    pub(super) jid: String,
    lid: Option<String>,
}

/// Tells the people who are known by these names; returns all their ids.
pub(super) async fn assign_lids(
    context: &WriteContext<'_>,
    names: &[(i64, String)],
) -> Result<Vec<PersonId>, StoreError> {
    let rows = read_members(context.db, names).await?;
    let members: Vec<PersonId> = rows.iter().map(PersonId::read).collect::<Result<_, _>>()?;
    let mut lids: HashMap<(i64, &str), &str> = HashMap::new();
    for member in members.iter().filter(|member| is_lid(&member.jid)) {
        let lid = lids.entry(member.person()).or_insert(&member.jid);
        *lid = (*lid).min(&member.jid);
    }
    let mut rows = Vec::new();
    for member in &members {
        let lid = lids.get(&member.person()).copied();
        if member.lid.as_deref() != lid {
            rows.push((member.session_id, member.jid.as_str(), lid));
        }
    }
    rows.sort_unstable();
    let row = |(session, jid, lid)| contact::row_with_lid(session, jid, lid, context.now);
    let rows = rows.into_iter().map(row).collect();
    context.write(&contact::FOLLOWED, &contact::lid_upsert(context.dialect), rows).await?;
    Ok(members)
}

impl PersonId {
    fn read(row: &QueryResult) -> Result<Self, sea_orm::DbErr> {
        Ok(Self {
            session_id: row.try_get("", "session_id")?,
            name: row.try_get("", "phone")?,
            jid: row.try_get("", "jid")?,
            lid: row.try_get("", "lid")?,
        })
    }

    fn person(&self) -> (i64, &str) {
        (self.session_id, &self.name)
    }
}

/// Ids of people by the name that stands for them, each with the LID that it was told.
pub(super) async fn read_members(
    db: &CheckedTransaction,
    names: &[(i64, String)],
) -> Result<Vec<QueryResult>, DbErr> {
    let mut members = Vec::with_capacity(2 * names.len());
    for names in names.chunks(KEYS_MAX) {
        let columns = ["session_id", "phone", "jid", "lid"];
        let pair = ("session_id", "phone");
        let select = of_pairs(
            Dialect::of(db.get_database_backend()),
            "waha_contacts",
            pair,
            &columns,
            names.iter(),
        );
        members.extend(db.query_all_raw(select).await?);
    }
    Ok(members)
}

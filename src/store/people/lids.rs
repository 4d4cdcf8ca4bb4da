//! Tells all ids of a person which LID they have: the first of those that the person has.
//!
//! Called when an id turns out to be somebody's, under the locks of `name_people`.

use std::collections::HashMap;

use sea_orm::QueryResult;

use crate::change::person::is_lid;
use crate::store::rows::contact;
use crate::store::write::Writer;
use crate::store::{StoreError, select};

/// An id of a person.
pub(super) struct Member {
    session_id: i64,
    name: String,
    pub(super) jid: String,
    lid: Option<String>,
}

impl Writer<'_> {
    /// Tells the people who are known by these names; returns all their ids.
    pub(super) async fn tell_lids(
        &self,
        names: &[(i64, String)],
    ) -> Result<Vec<Member>, StoreError> {
        let rows = select::members(self.db, names).await?;
        let members: Vec<Member> = rows.iter().map(Member::read).collect::<Result<_, _>>()?;
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
        let row = |(session, jid, lid)| contact::row_with_lid(session, jid, lid, self.now);
        let rows = rows.into_iter().map(row).collect();
        contact::lid_upsert(self.dialect).run(self.db, rows).await?;
        Ok(members)
    }
}

impl Member {
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

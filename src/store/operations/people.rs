//! Whom a session knows: what is asked before WAHA's lists of people are read. The rows are written by `apply`
//! (`apply_listed`).
//!
//! Called by `reconcile`.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::{waha_chats, waha_contacts, waha_participants};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::select::KEYS_MAX;

/// Members of a group that are read.
const MEMBERS_MAX: u64 = 20_000;

/// The two names of a person, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonIds {
    /// The phone id that stands for the person.
    pub phone: Option<String>,
    /// The LID.
    pub lid: Option<String>,
}

impl Store {
    /// Who belongs to a group, as far as was told.
    pub async fn members_of(
        &self,
        session_id: i64,
        group: &str,
    ) -> Result<Vec<String>, StoreError> {
        use waha_participants::Column;
        let pool = self.pool();
        let chat = waha_chats::Entity::find()
            .filter(waha_chats::Column::SessionId.eq(session_id))
            .filter(waha_chats::Column::ChatId.eq(group));
        let Some(chat) = chat.one(&pool.db).await? else { return Ok(Vec::new()) };
        let members = waha_participants::Entity::find()
            .filter(Column::ChatId.eq(chat.id))
            .filter(Column::IsMember.eq(true))
            .order_by_asc(Column::Id)
            .limit(MEMBERS_MAX);
        Ok(members.all(&pool.db).await?.into_iter().map(|row| row.jid).collect())
    }

    /// What is known of people by one of their ids.
    pub async fn person_ids(
        &self,
        session_id: i64,
        jids: &[&str],
    ) -> Result<HashMap<String, PersonIds>, StoreError> {
        use waha_contacts::Column;
        let mut found = HashMap::with_capacity(jids.len());
        for jids in jids.chunks(KEYS_MAX) {
            let rows = waha_contacts::Entity::find()
                .filter(Column::SessionId.eq(session_id))
                .filter(Column::Jid.is_in(jids.iter().copied()));
            for row in rows.all(&self.pool().db).await? {
                found.insert(row.jid, PersonIds { phone: row.phone, lid: row.lid });
            }
        }
        Ok(found)
    }

    /// Ids of people of whom only one of the two is known, `max` at most.
    pub async fn people_without_pair(
        &self,
        session_id: i64,
        max: u64,
    ) -> Result<Vec<String>, StoreError> {
        use waha_contacts::Column;
        let is_lid = Condition::all().add(Column::Phone.is_null()).add(Column::Lid.is_not_null());
        let is_phone = Condition::all()
            .add(Column::Lid.is_null())
            .add(Expr::col(Column::Phone).eq(Expr::col(Column::Jid)));
        let rows = waha_contacts::Entity::find()
            .select_only()
            .column(Column::Jid)
            .filter(Column::SessionId.eq(session_id))
            .filter(Condition::any().add(is_lid).add(is_phone))
            .order_by_asc(Column::Id)
            .limit(max);
        Ok(rows.into_tuple().all(&self.pool().db).await?)
    }
}

//! `waha_contacts`: the names are registers of the row that stands for the person; which ids are one
//! person is written by `identity/merge` alone.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_contacts::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option, value, version};
use crate::change::{ContactChange, PersonKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const TABLE: &str = "waha_contacts";

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_session(ChangeKind::Contact, "jid");

/// A name told of a row that stands for nobody any more is left to the row that does.
pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<Entity> {
    let upsert = make(dialect);
    let (phone, jid) = (upsert.old_value(C::Phone), upsert.old_value(C::Jid));
    let newer = |version| {
        let (new, old) = (upsert.new_value(version), upsert.old_value(version));
        format!("{new} > {old} AND ({phone} IS NULL OR {phone} = {jid})")
    };
    let (name, username) = (newer(C::PushNameVersion), newer(C::UsernameVersion));
    upsert
        .when(&name, &[C::PushName])
        .when(&name, &[C::PushNameVersion])
        .when(&username, &[C::Username])
        .when(&username, &[C::UsernameVersion])
        .touch(C::UpdatedAt)
}

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::SessionId, C::Jid])
}

/// Tells rows that are there which LID the person has.
pub(in crate::store) fn lid_upsert(dialect: Dialect) -> Upsert<Entity> {
    make(dialect).replace(C::Lid).touch(C::UpdatedAt)
}

/// A person stands for itself until linked.
pub(in crate::store) fn row(
    session_id: i64,
    key: &PersonKey,
    change: &ContactChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    let ContactChange { push_name, username } = change;
    let own = |is_mine: bool| is_mine.then(|| key.jid.clone());
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        jid: Set(cut(&key.jid, 255)),
        phone: Set(own(!key.is_lid())),
        lid: Set(own(key.is_lid())),
        push_name: Set(value(push_name.as_ref()).cloned()),
        push_name_version: Set(version(push_name.as_ref())),
        username: Set(cut_option(value(username.as_ref()).map(String::as_str), 255)),
        username_version: Set(version(username.as_ref())),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// A LID for which another id stands from the start; that one has the name.
pub(in crate::store) fn row_of(
    session_id: i64,
    lid: &PersonKey,
    phone: &str,
    now: DateTime<Utc>,
) -> ActiveModel {
    let row = row(session_id, lid, &ContactChange::default(), now);
    ActiveModel { phone: Set(Some(cut(phone, 255))), ..row }
}

/// An id of a person who has this LID.
pub(in crate::store) fn row_with_lid(
    session_id: i64,
    jid: &str,
    lid: Option<&str>,
    now: DateTime<Utc>,
) -> ActiveModel {
    ActiveModel {
        session_id: Set(session_id),
        jid: Set(jid.to_owned()),
        phone: Set(None),
        lid: Set(lid.map(str::to_owned)),
        updated_at: Set(now),
        ..emptied()
    }
}

/// What stays when the names have moved to the row that stands for the person.
pub(in crate::store) fn emptied() -> ActiveModel {
    ActiveModel {
        push_name: Set(None),
        push_name_version: Set(0),
        username: Set(None),
        username_version: Set(0),
        ..ActiveModel::default()
    }
}

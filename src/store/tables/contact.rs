//! `waha_contacts`: the name is a register of the row that stands for the person; which ids are one
//! person is written by `identity/merge` alone.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::{ContactChange, PersonKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const TABLE: &str = "waha_contacts";

const KEY: [&str; 2] = ["session_id", "jid"];
const COLUMNS: [&str; 7] =
    ["session_id", "jid", "updated_at", "phone", "lid", "push_name", "push_name_version"];

/// Where among them the name is that stands for the person.
const PHONE: usize = 3;

/// What moves to the row that stands for the person.
pub(in crate::store) const EMPTIED: [(&str, EmptyValue); 2] =
    [("push_name", EmptyValue::Null), ("push_name_version", EmptyValue::Zero)];

/// What a column holds once its register has moved away.
#[derive(Clone, Copy)]
pub(in crate::store) enum EmptyValue {
    /// A value that was never told.
    Null,
    /// A version that was never told.
    Zero,
}

/// A name told of a row that stands for nobody any more is left to the row that does.
pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    let upsert = make(dialect);
    let (new, old) = (upsert.new_value("push_name_version"), upsert.old_value("push_name_version"));
    let (phone, jid) = (upsert.old_value("phone"), upsert.old_value("jid"));
    let newer = format!("{new} > {old} AND ({phone} IS NULL OR {phone} = {jid})");
    upsert.when(&newer, &["push_name"]).when(&newer, &["push_name_version"]).replace("updated_at")
}

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, TABLE, &KEY, &COLUMNS)
}

/// Tells rows that are there which LID the person has.
pub(in crate::store) fn lid_upsert(dialect: Dialect) -> Upsert {
    make(dialect).replace("lid")
}

/// A person stands for itself until linked.
pub(in crate::store) fn row(
    session_id: i64,
    key: &PersonKey,
    change: Option<&ContactChange>,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let name = change.and_then(|change| change.push_name.as_ref());
    let own = |is_mine: bool| is_mine.then(|| key.jid.clone());
    vec![
        session_id.into(),
        cut(&key.jid, 255),
        now.into(),
        own(!key.is_lid()).into(),
        own(key.is_lid()).into(),
        name.map(|name| name.value.clone()).into(),
        name.map_or(0, |name| name.version.get()).into(),
    ]
}

/// A LID for which another id stands from the start; that one has the name.
pub(in crate::store) fn row_of(
    session_id: i64,
    lid: &PersonKey,
    phone: &str,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let mut row = row(session_id, lid, None, now);
    row[PHONE] = cut(phone, 255);
    row
}

/// An id of a person who has this LID.
pub(in crate::store) fn row_with_lid(
    session_id: i64,
    jid: &str,
    lid: Option<&str>,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        session_id.into(),
        jid.into(),
        now.into(),
        Value::String(None),
        lid.map(str::to_owned).into(),
        Value::String(None),
        0_i64.into(),
    ]
}

//! `waha_contacts`: the name is a register of the row that stands for the person; which ids are one
//! person is written by `people/unite.rs` alone.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::{ContactChange, PersonKey};
use crate::store::dialect::Dialect;
use crate::store::upsert::Upsert;

pub(in crate::store) const TABLE: &str = "waha_contacts";

const COLUMNS: [&str; 7] =
    ["session_id", "jid", "updated_at", "phone", "lid", "push_name", "push_name_version"];

/// What moves to the row that stands for the person.
pub(in crate::store) const EMPTIED: [(&str, Emptied); 2] =
    [("push_name", Emptied::Null), ("push_name_version", Emptied::Zero)];

/// What a column holds once its register has moved away.
#[derive(Clone, Copy)]
pub(in crate::store) enum Emptied {
    /// A value that was never told.
    Null,
    /// A version that was never told.
    Zero,
}

/// A name told of a row that stands for nobody any more is left to the row that does.
pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    let upsert = Upsert::new(dialect, TABLE, &["session_id", "jid"], &COLUMNS);
    let (new, old) = (upsert.new_value("push_name_version"), upsert.old_value("push_name_version"));
    let (phone, jid) = (upsert.old_value("phone"), upsert.old_value("jid"));
    let newer = format!("{new} > {old} AND ({phone} IS NULL OR {phone} = {jid})");
    upsert.when(&newer, &["push_name"]).when(&newer, &["push_name_version"]).replace("updated_at")
}

/// A person stands for itself until linked.
pub(in crate::store) fn row(
    session_id: i64,
    key: &PersonKey,
    change: Option<&ContactChange>,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let name = change.and_then(|change| change.push_name.as_ref());
    let own = || Some(key.jid.clone());
    vec![
        session_id.into(),
        cut(&key.jid, 255),
        now.into(),
        if key.is_lid() { None } else { own() }.into(),
        if key.is_lid() { own() } else { None }.into(),
        name.map(|name| name.value.clone()).into(),
        name.map_or(0, |name| name.version.get()).into(),
    ]
}

//! Which dead letters: the one filter of all commands, of the admin API, of jobs and the audit log.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use entity::dead_letters::{Column, Entity};

use crate::store::apply::burial::body_parts;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::sql::dialect::Dialect;
use crate::strict_json::names;
use crate::waha::jid::spellings;

/// Which dead letters; what is empty or none does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetterFilter)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterFilter {
    /// Only these numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// Only of these groups, by fingerprint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Only with these reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Only from these WAHA servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Only of these sessions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// Only of these event types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Only those whose body names one of these chats, as a value of its own or in a message's id.
    /// The body is searched because it may be what could not be read; so it works on any body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<String>,
    /// Only in these states.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "names")]
    pub states: Vec<DeadLetterState>,
    /// Only what the door took in at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Only what the door took in before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl DeadLetterFilter {
    /// Whether anything but the state restricts it.
    pub fn is_named(&self) -> bool {
        let lists = self.texts();
        !self.ids.is_empty()
            || !self.chats.is_empty()
            || lists.iter().any(|(_, texts)| !texts.is_empty())
            || self.since.is_some()
            || self.until.is_some()
    }

    /// The same filter in one spelling: as JSON, equal for equal filters.
    pub fn to_json(&self) -> String {
        let mut filter = self.clone();
        sort(&mut filter.ids);
        sort(&mut filter.states);
        for texts in [
            &mut filter.groups,
            &mut filter.reasons,
            &mut filter.sources,
            &mut filter.sessions,
            &mut filter.events,
            &mut filter.chats,
        ] {
            sort(texts);
        }
        serde_json::json!(filter).to_string()
    }

    /// 64 hex digits that are the same for equal filters.
    pub fn key(&self) -> String {
        hex::encode(Sha256::digest(self.to_json()))
    }

    fn texts(&self) -> [(Column, &[String]); 5] {
        [
            (Column::Fingerprint, &self.groups),
            (Column::Reason, &self.reasons),
            (Column::Source, &self.sources),
            (Column::Session, &self.sessions),
            (Column::EventType, &self.events),
        ]
    }

    /// The filter in SQL.
    pub(in crate::store) fn condition(&self, backend: DbBackend) -> Condition {
        let mut all = Condition::all();
        if !self.ids.is_empty() {
            all = all.add(Column::Id.is_in(self.ids.iter().copied()));
        }
        if !self.states.is_empty() {
            all = all.add(Column::State.is_in(self.states.iter().map(|state| state.name())));
        }
        for (column, texts) in self.texts() {
            if !texts.is_empty() {
                all = all.add(column.is_in(texts));
            }
        }
        let bind = |time: DateTime<Utc>| Expr::val(Dialect::of(backend).bind(time.into()));
        if let Some(since) = self.since {
            all = all.add(Expr::col(Column::ReceivedAt).gte(bind(since)));
        }
        if let Some(until) = self.until {
            all = all.add(Expr::col(Column::ReceivedAt).lt(bind(until)));
        }
        if self.chats.is_empty() { all } else { all.add(self.names_chat(backend)) }
    }

    /// A chat stands in quotes, or in a message's id between underscores.
    fn names_chat(&self, backend: DbBackend) -> Condition {
        let mut any = Condition::any();
        for spelling in self.chats.iter().flat_map(|chat| spellings(chat)) {
            for before in ['"', '_'] {
                any = any.add(body_holds(&format!("{before}{spelling}"), backend));
            }
        }
        any
    }
}

/// Whether the body, or a part of it that is kept apart, holds these bytes.
fn body_holds(text: &str, backend: DbBackend) -> Condition {
    let id = Expr::col((Entity, Column::Id));
    Condition::any()
        .add(holds(Expr::col((Entity, Column::Body)), text, backend))
        .add(body_parts::any_holds(id, |part| holds(part, text, backend)))
}

/// Whether a column holds these bytes. Each database has a function that compares byte by byte.
fn holds(column: SimpleExpr, text: &str, backend: DbBackend) -> SimpleExpr {
    let name = match backend {
        // In quotes it takes its arguments as any function does.
        DbBackend::Postgres => "\"position\"",
        _ => "instr",
    };
    let bytes = Expr::val(Value::from(text.as_bytes().to_vec()));
    Expr::expr(Func::cust(name).arg(column).arg(bytes)).gt(0)
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_filters_have_one_key() {
        let of = |sessions: &[&str]| DeadLetterFilter {
            sessions: sessions.iter().map(|name| (*name).to_owned()).collect(),
            ..DeadLetterFilter::default()
        };
        assert_eq!(of(&["a", "b", "a"]).key(), of(&["b", "a"]).key());
        assert_ne!(of(&["a"]).key(), of(&["b"]).key());
        assert!(!DeadLetterFilter { states: vec![DeadLetterState::Pending], ..of(&[]) }.is_named());
        let json = of(&["b", "a"]).to_json();
        assert_eq!(json, r#"{"sessions":["a","b"]}"#);
        assert_eq!(serde_json::from_str::<DeadLetterFilter>(&json).unwrap(), of(&["a", "b"]));
    }
}

//! Which dead letters: the one filter of all commands, of the admin API, of jobs and the audit log.

use chrono::{DateTime, Utc};
use clap::Args;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbBackend};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use entity::dead_letters::{Column, Entity};

use crate::clock::parse_time;
use crate::store::apply::burial::body_parts;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::naming::{holds, namings};
use crate::store::operations::page::SINCE;
use crate::store::sql::dialect::Dialect;
use crate::strict_json::names;

/// Which dead letters; what is empty or none does not restrict, and of a list any value will do.
#[derive(
    Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams,
)]
#[schema(as = DeadLetterFilter)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterFilter {
    /// Only these numbers.
    #[arg(long = "id", value_name = "ID")]
    #[param(rename = "id")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// Only of this group, as `groups` names it.
    #[arg(long = "group", value_name = "GROUP")]
    #[param(rename = "group")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Only with this reason, such as `malformed`.
    #[arg(long = "reason", value_name = "REASON")]
    #[param(rename = "reason")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Only from this WAHA server.
    #[arg(long = "source", value_name = "SOURCE")]
    #[param(rename = "source")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Only of this session.
    #[arg(long = "session", value_name = "SESSION")]
    #[param(rename = "session")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// Only of this event type, such as `message.any`.
    #[arg(long = "event", value_name = "EVENT")]
    #[param(rename = "event")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Only those whose body names this chat, such as `12025550142@c.us`.
    // As a value of its own or in a message's id. The body is searched because it may be what could not
    // be read; so it works on any body.
    #[arg(long = "chat", value_name = "CHAT")]
    #[param(rename = "chat")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<String>,
    /// Only what arrived at this time or later.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help = SINCE)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Only in this state; without it those that are asked for as a rule.
    #[arg(long = "state", value_name = "STATE", value_enum)]
    #[param(rename = "state", inline)]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "names")]
    pub states: Vec<DeadLetterState>,
}

impl DeadLetterFilter {
    /// The same filter, of these states if it names none.
    #[must_use]
    pub fn or_states(self, states: &[DeadLetterState]) -> Self {
        if self.states.is_empty() { Self { states: states.to_vec(), ..self } } else { self }
    }

    /// Whether anything but the state restricts it.
    pub fn is_named(&self) -> bool {
        Self { states: Vec::new(), ..self.clone() } != Self::default()
    }

    /// The same filter in one spelling: as JSON, equal for equal filters.
    pub fn to_json(&self) -> String {
        let mut filter = self.clone();
        let Self { ids, groups, reasons, sources, sessions, events, chats, states, .. } =
            &mut filter;
        sort(ids);
        sort(states);
        for texts in [groups, reasons, sources, sessions, events, chats] {
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

    fn names_chat(&self, backend: DbBackend) -> Condition {
        let namings = self.chats.iter().flat_map(|chat| namings(chat));
        namings.fold(Condition::any(), |any, naming| any.add(body_holds(&naming, backend)))
    }
}

/// Whether the body, or a part of it that is kept apart, holds these bytes.
fn body_holds(text: &str, backend: DbBackend) -> Condition {
    let id = Expr::col((Entity, Column::Id));
    Condition::any()
        .add(holds(Expr::col((Entity, Column::Body)), text, backend))
        .add(body_parts::any_holds(id, |part| holds(part, text, backend)))
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

//! `/dead-letters`: by cause, as a list, one whole; replay, discard and restore by filter; editing.
//!
//! Invariant: what a change is for stands in its address, the same filter that the list before it had.

pub(super) mod act;
pub(super) mod edit;
pub(super) mod list;
pub(super) mod show;

use super::filters::{address, to_query};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterFilter;

/// A filter as forms and links of a page have it.
pub(super) struct Chosen {
    pub(super) filter: DeadLetterFilter,
    /// As the query of an address.
    query: String,
}

impl Chosen {
    pub(super) fn of(filter: DeadLetterFilter) -> Self {
        Self { query: to_query(&filter), filter }
    }

    /// An address for the same dead letters.
    pub(super) fn to(&self, path: &str) -> String {
        address(path, &self.query, "")
    }

    /// The same with more in its query.
    pub(super) fn to_with(&self, path: &str, more: &str) -> String {
        address(path, &self.query, more)
    }

    /// The same filter for dead letters in another state, for an action.
    pub(super) fn for_action(&self, path: &str) -> String {
        let filter = DeadLetterFilter { states: Vec::new(), ..self.filter.clone() };
        address(path, &to_query(&filter), "")
    }

    pub(super) fn states(&self) -> [DeadLetterState; 4] {
        DeadLetterState::ALL
    }

    pub(super) fn has_state(&self, state: &DeadLetterState) -> bool {
        self.filter.states.contains(state)
    }

    /// Whether an action on these dead letters makes sense: some are in this state.
    pub(super) fn may_have(&self, state: DeadLetterState) -> bool {
        let asked = &self.filter.states;
        asked.contains(&state) || (asked.is_empty() && state == DeadLetterState::Pending)
    }

    pub(super) fn pending(&self) -> bool {
        self.may_have(DeadLetterState::Pending)
    }

    pub(super) fn discarded(&self) -> bool {
        self.may_have(DeadLetterState::Discarded)
    }

    /// In words, with the states.
    pub(super) fn summary(&self) -> String {
        let states: Vec<&str> = self.filter.states.iter().map(|state| state.name()).collect();
        let states = if states.is_empty() { "pending".to_owned() } else { states.join(" or ") };
        format!("{}, {states}", self.words())
    }

    /// In words, for titles and questions.
    pub(super) fn words(&self) -> String {
        let DeadLetterFilter {
            ids,
            groups,
            reasons,
            sources,
            sessions,
            events,
            chats,
            since,
            until,
            states: _,
        } = &self.filter;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let lists = [
            ("number", &ids),
            ("group", groups),
            ("reason", reasons),
            ("source", sources),
            ("session", sessions),
            ("event type", events),
            ("chat", chats),
        ];
        let lists = lists.iter().filter(|(_, values)| !values.is_empty());
        let mut words: Vec<String> =
            lists.map(|(name, values)| format!("{name} {}", values.join(" or "))).collect();
        words.extend(since.map(|since| format!("from {}", since.format("%Y-%m-%d %H:%M:%S"))));
        words.extend(until.map(|until| format!("before {}", until.format("%Y-%m-%d %H:%M:%S"))));
        if words.is_empty() { "all".to_owned() } else { words.join(", ") }
    }
}

/// The class of a state's colour.
fn class_of(state: DeadLetterState) -> &'static str {
    match state {
        DeadLetterState::Pending => "warn",
        DeadLetterState::Replaying => "busy",
        DeadLetterState::Replayed => "good",
        DeadLetterState::Discarded => "muted",
    }
}

//! What the management API answers, as far as it is read here.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A node of the broker's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClusterNode {
    /// Its Erlang name, such as `rabbit@host`.
    pub name: String,
    /// Whether it runs and is in sight of the node that answered.
    #[serde(default, rename = "running")]
    pub is_running: bool,
}

/// A page of the list of queues.
#[derive(Deserialize)]
pub(super) struct Page {
    items: Vec<Value>,
}

impl Page {
    /// By way of values, of which the last wins: while a queue's members change, 3.10 names a field twice.
    pub(super) fn queues(self) -> Result<Vec<FoundQueue>, serde_json::Error> {
        self.items.into_iter().map(serde_json::from_value).collect()
    }
}

/// A queue that is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FoundQueue {
    pub(super) name: String,
    /// `quorum`, `classic` or `stream`.
    #[serde(rename = "type")]
    pub(super) queue_type: String,
    /// Nodes that hold it.
    pub(super) members: Vec<String>,
    /// Those of them that are in sight.
    pub(super) online: Vec<String>,
    /// Name of the policy that matches it.
    pub(super) policy: Option<String>,
    /// Name of the operator policy that matches it.
    pub(super) operator_policy: Option<String>,
    /// What both come to; none as long as it is not known.
    pub(super) effective_policy_definition: Option<Definition>,
}

/// Settings by name. An empty one is written as a list by some versions.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Definition {
    Settings(Map<String, Value>),
    Empty([Value; 0]),
}

impl Definition {
    pub(super) fn get(&self, setting: &str) -> Option<&Value> {
        match self {
            Self::Settings(settings) => settings.get(setting),
            Self::Empty(_) => None,
        }
    }
}

/// Why the API did not do what it was asked.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) reason: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_named_twice_is_taken_once() {
        let text = r#"{"items":[{"name":"waha.chats","members":["a","b"],"members":["a"],"policy":null}]}"#;
        let page: Page = serde_json::from_str(text).unwrap();
        let queues = page.queues().unwrap();
        assert_eq!((queues[0].name.as_str(), queues[0].members.len()), ("waha.chats", 1));
        assert!(queues[0].effective_policy_definition.is_none(), "not told is not none");
    }
}

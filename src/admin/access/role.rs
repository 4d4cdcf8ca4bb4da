//! What a token's holder may do: roles, and the rights that they give.
//!
//! Each way of the API names the one right that it needs. Invariant: no role can read what people
//! wrote but those that [`Right::Bodies`] or [`Right::Rows`] names, and a scraper's token opens nothing but `/metrics`.

use serde::Serialize;

/// What a way of the admin listener needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// `/metrics`.
    Metrics,
    /// The description of the API, and names and states of sessions.
    Sessions,
    /// What applications read and write: the feed, rows, their own read marks.
    Rows,
    /// Counts, states and ids; no bodies, no texts.
    View,
    /// Bodies, which are people's messages.
    Bodies,
    /// Everything that changes something.
    Operate,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Scrapes metrics and does nothing else.
    Metrics,
    /// Sees counts, states and ids.
    Viewer,
    /// Is an application: follows the rows of its sessions.
    Application,
    /// Sees bodies as well.
    Reader,
    /// Does everything.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Metrics, Self::Viewer, Self::Application, Self::Reader, Self::Operator];

    /// As configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Viewer => "viewer",
            Self::Application => "application",
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }

    /// Whether it gives this right.
    pub fn gives(self, right: Right) -> bool {
        match self {
            Self::Metrics => right == Right::Metrics,
            Self::Viewer => matches!(right, Right::Metrics | Right::Sessions | Right::View),
            Self::Application => matches!(right, Right::Sessions | Right::Rows),
            Self::Reader => right != Right::Operate,
            Self::Operator => true,
        }
    }

    /// Those that give a right, for the one who lacks it.
    pub(super) fn giving(right: Right) -> String {
        let names = Self::ALL.into_iter().filter(|role| role.gives(right)).map(Self::name);
        names.collect::<Vec<_>>().join(", ")
    }
}

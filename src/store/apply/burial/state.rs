//! Where a dead letter stands, as its row says.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a dead letter stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    clap::ValueEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = State)]
pub enum DeadLetterState {
    /// Waits for an operator.
    Pending,
    /// Published again, not yet processed.
    Replaying,
    /// Applied or ignored after a replay.
    Replayed,
    /// Given up by an operator.
    Discarded,
}

impl DeadLetterState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Replaying, Self::Replayed, Self::Discarded];

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Replaying => "replaying",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

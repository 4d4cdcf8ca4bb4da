//! Where a dead letter stands, as its row says.

use sea_orm::{DeriveActiveEnum, EnumIter};
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
    EnumIter,
    DeriveActiveEnum,
    clap::ValueEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
#[schema(as = State)]
pub enum DeadLetterState {
    /// Waits for an operator.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// Published again, not yet processed.
    #[sea_orm(string_value = "replaying")]
    Replaying,
    /// Applied or ignored after a replay.
    #[sea_orm(string_value = "replayed")]
    Replayed,
    /// Given up by an operator.
    #[sea_orm(string_value = "discarded")]
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

//! Dead letters in a list, as the command line and the admin API tell them.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::ReplayReport;
use crate::store::operations::dead_letter::{
    DeadLetterFilter, DeadLetterReplay, DeadLetterSummary,
};
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};

/// A dead letter in a list.
#[derive(Serialize, ToSchema)]
pub struct ListedLetter {
    /// Its row.
    #[serde(flatten)]
    pub letter: DeadLetterSummary,
    /// How its last replay ended; none if it was not replayed.
    pub last_replay: Option<ReplayReport>,
}

/// A page of those that a filter names, oldest first.
pub async fn list_letters(
    store: &Store,
    filter: &DeadLetterFilter,
    page: RowPage,
) -> Result<Vec<ListedLetter>, StoreError> {
    let letters = store.dead_letters(filter, page).await?;
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    let replays = store.replays_of(&ids).await?;
    Ok(letters.into_iter().map(|letter| ListedLetter::new(letter, &replays)).collect())
}

impl ListedLetter {
    fn new(letter: DeadLetterSummary, replays: &HashMap<i64, Vec<DeadLetterReplay>>) -> Self {
        let last = replays.get(&letter.id).and_then(|replays| replays.last());
        Self { last_replay: last.map(ReplayReport::from), letter }
    }
}

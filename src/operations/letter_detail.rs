//! A dead letter whole, as the command line and the admin API tell it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::normalize::Rules;
use crate::operations::DryRun;
use crate::queue::Failure;
use crate::store::operations::dead_letter::{
    DeadLetter, DeadLetterEdit, DeadLetterFilter, DeadLetterReplay, DeadLetterSummary,
};
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};
use crate::webhook::Headers;

/// A dead letter whole.
#[derive(Serialize, ToSchema)]
pub struct LetterDetail {
    /// Its row.
    pub dead_letter: DeadLetterSummary,
    /// Every failed attempt, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// Every replay, oldest first.
    pub replays: Vec<ReplayReport>,
    /// Who replaced its body and when, oldest first.
    pub edits: Vec<DeadLetterEdit>,
    /// The request's headers that were kept.
    pub headers: Headers,
    /// What the normalizer says of it now.
    pub now: DryRun,
    /// The body as text, if whoever asks may read bodies. What is no UTF-8 is replaced: it can be had byte
    /// for byte, too.
    pub body: Option<String>,
}

/// An attempt that failed.
#[derive(Serialize, ToSchema)]
pub struct FailedAttempt {
    /// When.
    pub at: DateTime<Utc>,
    /// What failed.
    pub error: String,
}

/// A replay and its end.
#[derive(Serialize, ToSchema)]
pub struct ReplayReport {
    /// The job that replayed it.
    pub job: i64,
    /// When.
    pub replayed_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// None while it is on its way.
    pub outcome: Option<String>,
    /// Why, where that has one.
    pub reason: Option<String>,
}

impl LetterDetail {
    /// Looks it up, all but its body; none if there is no such dead letter.
    pub async fn find(
        store: &Store,
        rules: &Rules,
        id: i64,
    ) -> Result<Option<(Self, DeadLetter)>, StoreError> {
        let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
        let summary = store.dead_letters(&filter, RowPage::first(1)).await?.pop();
        let letter = store.whole_letters(&[id]).await?.pop();
        let (Some(dead_letter), Some(letter)) = (summary, letter) else { return Ok(None) };
        let replays = store.replays_of(&[id]).await?.remove(&id).unwrap_or_default();
        let detail = Self {
            dead_letter,
            failures: letter.failures.iter().map(FailedAttempt::from).collect(),
            replays: replays.iter().map(ReplayReport::from).collect(),
            edits: store.edits_of(id).await?,
            headers: letter.headers.clone(),
            now: DryRun::of(&letter.webhook(), rules),
            body: None,
        };
        Ok(Some((detail, letter)))
    }

    /// The same with a body as text.
    #[must_use]
    pub fn with_body(self, body: &[u8]) -> Self {
        Self { body: Some(String::from_utf8_lossy(body).into_owned()), ..self }
    }
}

impl From<&Failure> for FailedAttempt {
    fn from(failure: &Failure) -> Self {
        let at = DateTime::from_timestamp_millis(failure.at_ms).unwrap_or_default();
        Self { at, error: failure.error.clone() }
    }
}

impl From<&DeadLetterReplay> for ReplayReport {
    fn from(replay: &DeadLetterReplay) -> Self {
        let DeadLetterReplay { job_id, replayed_at, ended_at, outcome, reason, .. } =
            replay.clone();
        Self { job: job_id, replayed_at, ended_at, outcome, reason }
    }
}

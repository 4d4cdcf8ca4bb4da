//! The filter of dead letters, as a query and as a part of a body.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::admin::api::ApiError;
use crate::admin::api::validation::check_values;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterFilter;

/// Which dead letters. What is left out does not restrict.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin::api) struct FilterQuery {
    /// Only of this group.
    group: Option<String>,
    /// Only with this reason, such as `malformed`.
    reason: Option<String>,
    /// Only from this WAHA server.
    source: Option<String>,
    /// Only of this session.
    session: Option<String>,
    /// Only of this event type, such as `message.any`.
    event: Option<String>,
    /// Only those whose body names this chat.
    chat: Option<String>,
    /// Only in this state; pending without it.
    #[param(inline)]
    state: Option<DeadLetterState>,
    /// Only what arrived at this time or later.
    since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    until: Option<DateTime<Utc>>,
    /// Lists only: numbers above this one, `next` of the page before.
    pub(super) after: Option<i64>,
    /// Lists only: at most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u64>,
}

impl FilterQuery {
    /// What has no pages takes none.
    pub(super) fn refuse_page(&self) -> Result<(), ApiError> {
        if self.after.is_none() && self.limit.is_none() {
            return Ok(());
        }
        Err(ApiError::BadRequest("after and limit are for lists".to_owned()))
    }

    pub(super) fn filter(self) -> Result<DeadLetterFilter, ApiError> {
        let filter = DeadLetterFilter {
            ids: Vec::new(),
            groups: self.group.into_iter().collect(),
            reasons: self.reason.into_iter().collect(),
            sources: self.source.into_iter().collect(),
            sessions: self.session.into_iter().collect(),
            events: self.event.into_iter().collect(),
            chats: self.chat.into_iter().collect(),
            states: vec![self.state.unwrap_or(DeadLetterState::Pending)],
            since: self.since,
            until: self.until,
        };
        check(&filter)?;
        Ok(filter)
    }
}

/// Whether every database can be asked for it.
pub(super) fn check(filter: &DeadLetterFilter) -> Result<(), ApiError> {
    let DeadLetterFilter { groups, reasons, sources, sessions, events, chats, .. } = filter;
    let lists = [groups, reasons, sources, sessions, events, chats];
    check_values(&lists, filter.ids.len(), [filter.since, filter.until])
}

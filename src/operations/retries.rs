//! Webhooks that wait for their next attempt: what waits, why and until when, and having some tried now.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::queue::{Failure, Hastened, Queue, QueueError, RetryChoice, Retrying, WaitingRetry};
use crate::store::apply::burial::failure_group;
use crate::store::audit::{Actor, AuditAction, AuditEntry};
use crate::store::{Store, StoreError};

/// Looked at by an action, in each place where webhooks wait.
const LOOKED_AT_MAX: usize = 10_000;
/// Looked at for a list of some, because others may stand before them.
const SEARCHED_MAX: usize = 1000;

/// A page of what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RetryPage {
    /// The next to be tried first.
    pub webhooks: Vec<WaitingWebhook>,
    /// How many more wait; where some are asked for, those that were not looked at are among them.
    pub more: u64,
}

/// Webhooks of a page that wait for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryGroup {
    /// Its name, as each of them says it.
    pub group: String,
    /// WAHA's name of what happened.
    pub event_type: String,
    /// What failed last, of the next to be tried.
    pub error: String,
    /// How many of the page.
    pub count: u64,
    /// When the first of them is tried again.
    pub next_due_at: Option<DateTime<Utc>>,
}

/// A webhook that waits for its next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitingWebhook {
    /// Names this acceptance of it.
    pub id: String,
    /// The lane that it will come by.
    pub lane: &'static str,
    /// Configured WAHA server that sent it.
    pub source: String,
    /// WhatsApp account.
    pub session: String,
    /// WAHA's name of what happened.
    pub event_type: String,
    /// The webhook's id.
    pub webhook_id: String,
    /// When the door took it in.
    pub received_at: DateTime<Utc>,
    /// How often it failed.
    pub attempts: usize,
    /// When it failed last.
    pub failed_at: Option<DateTime<Utc>>,
    /// What failed last.
    pub error: String,
    /// The same for all that wait for one cause: event type and error.
    pub group: String,
    /// When it is tried again; none of a message that somebody else put there.
    pub due_at: Option<DateTime<Utc>>,
}

/// Which of them; any that one of these names.
#[derive(
    Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams,
)]
#[schema(as = RetryChoice)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct RetryFilter {
    /// Only these, as `retrying` names them.
    #[arg(long = "id", value_name = "ID")]
    #[param(rename = "id")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Only of this group, as `retrying` names it.
    #[arg(long = "group", value_name = "GROUP")]
    #[param(rename = "group")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Why none is tried now, or not all.
#[derive(Debug, thiserror::Error)]
pub enum RetryNowError {
    /// The queue failed; some may be tried now all the same.
    #[error("the queue failed, some may be tried now all the same")]
    Queue(#[from] QueueError),
    /// The audit log can't be written, so nothing was done.
    #[error("the audit log can't be written")]
    Store(#[from] StoreError),
}

/// Lists up to `count_max` of those that are named; of all without a name.
pub async fn retrying(
    queue: &dyn Queue,
    filter: &RetryFilter,
    count_max: usize,
) -> Result<RetryPage, QueueError> {
    let looked_at = if filter.is_named() { count_max.max(SEARCHED_MAX) } else { count_max };
    let Retrying { mut webhooks, unseen } = queue.retrying(looked_at).await?;
    webhooks.retain(|waiting| filter.names(waiting));
    let more = webhooks.len().saturating_sub(count_max) as u64;
    webhooks.truncate(count_max);
    let webhooks = webhooks.into_iter().map(WaitingWebhook::from).collect();
    Ok(RetryPage { webhooks, more: unseen + more })
}

/// Has those tried now that are named; all without a name. The audit log says so before it happens.
pub async fn retry_now(
    queue: &dyn Queue,
    store: &Store,
    filter: &RetryFilter,
    actor: &Actor,
    note: Option<&str>,
) -> Result<Hastened, RetryNowError> {
    let entry = AuditEntry {
        filter: Some(serde_json::json!(filter).to_string()),
        note,
        ..AuditEntry::new(AuditAction::Retry, actor)
    };
    let log = store.record(&entry).await?;
    let done = queue.retry_now(filter.choice(), LOOKED_AT_MAX).await?;
    store.record_more(log, done.count).await?;
    Ok(done)
}

impl RetryPage {
    /// By cause, the most frequent first.
    pub fn groups(&self) -> Vec<RetryGroup> {
        let mut groups: Vec<RetryGroup> = Vec::new();
        for waiting in &self.webhooks {
            match groups.iter_mut().find(|group| group.group == waiting.group) {
                Some(group) => group.count += 1,
                None => groups.push(RetryGroup::begin(waiting)),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

impl RetryGroup {
    /// Of the first of them to be tried.
    fn begin(waiting: &WaitingWebhook) -> Self {
        let WaitingWebhook { group, event_type, error, due_at, .. } = waiting;
        Self {
            group: group.clone(),
            event_type: event_type.clone(),
            error: error.clone(),
            count: 1,
            next_due_at: *due_at,
        }
    }
}

impl RetryFilter {
    /// Whether it names some.
    pub fn is_named(&self) -> bool {
        *self != Self::default()
    }

    fn choice(&self) -> RetryChoice {
        let filter = self.clone();
        std::sync::Arc::new(move |waiting| filter.names(waiting))
    }

    fn names(&self, waiting: &WaitingRetry) -> bool {
        !self.is_named()
            || self.ids.contains(&id(waiting))
            || (!self.groups.is_empty() && self.groups.contains(&group(waiting)))
    }
}

impl From<WaitingRetry> for WaitingWebhook {
    fn from(waiting: WaitingRetry) -> Self {
        let (id, group) = (id(&waiting), group(&waiting));
        let WaitingRetry { lane, key, received_at_ms, due_at_ms, failures, .. } = waiting;
        let attempts = failures.len();
        let last = failures.into_iter().next_back().map(Failure::storable);
        Self {
            id,
            lane: lane.name(),
            source: key.source,
            session: key.session,
            event_type: key.event_type,
            webhook_id: key.id,
            received_at: time(received_at_ms).unwrap_or_default(),
            attempts,
            failed_at: last.as_ref().and_then(|failure| time(failure.at_ms)),
            error: last.map(|failure| failure.error).unwrap_or_default(),
            group,
            due_at: due_at_ms.and_then(time),
        }
    }
}

fn id(waiting: &WaitingRetry) -> String {
    format!("{:016x}", waiting.receipt.0)
}

fn group(waiting: &WaitingRetry) -> String {
    let error = waiting.failures.last().map_or("", |failure| failure.error.as_str());
    failure_group(&waiting.key.event_type, error)
}

fn time(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Lane;
    use crate::webhook::{Receipt, WebhookKey};

    fn waiting(receipt: i64, event_type: &str, error: &str) -> WaitingRetry {
        let failures = vec![Failure { at_ms: 1, error: error.to_owned() }];
        let key = WebhookKey { event_type: event_type.to_owned(), ..WebhookKey::default() };
        let (lane, receipt) = (Lane::Chats, Receipt(receipt));
        WaitingRetry { lane, key, receipt, received_at_ms: 0, due_at_ms: None, failures }
    }

    #[test]
    fn some_are_named_by_id_or_by_cause_and_all_without_a_name() {
        let all = [
            waiting(1, "message", "row 1 is odd"),
            waiting(2, "message", "row 77 is odd"),
            waiting(-3, "call", "row 1 is odd"),
        ];
        let named =
            |filter: &RetryFilter| all.iter().map(|it| filter.names(it)).collect::<Vec<_>>();
        let by = |ids: &[&str], groups: &[String]| RetryFilter {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            groups: groups.to_vec(),
        };
        assert_eq!(named(&RetryFilter::default()), [true; 3]);
        assert_eq!(named(&by(&["fffffffffffffffd"], &[])), [false, false, true]);
        assert_eq!(named(&by(&[], &[group(&all[0])])), [true, true, false]);
        let either = by(&["fffffffffffffffd"], &[group(&all[1])]);
        assert_eq!(named(&either), [true; 3]);
    }

    #[test]
    fn a_page_is_told_by_cause() {
        let webhooks = [
            waiting(1, "call", "row 1 is odd"),
            waiting(2, "message", "row 5 is odd"),
            waiting(3, "message", "row 77 is odd"),
        ];
        let webhooks = webhooks.into_iter().map(WaitingWebhook::from).collect();
        let groups = RetryPage { webhooks, more: 0 }.groups();
        let told =
            |group: &RetryGroup| (group.count, group.event_type.clone(), group.error.clone());
        let told: Vec<_> = groups.iter().map(told).collect();
        let expected = [(2, "message", "row 5 is odd"), (1, "call", "row 1 is odd")]
            .map(|(count, event, error)| (count, event.to_owned(), error.to_owned()));
        assert_eq!(told, expected);
    }
}

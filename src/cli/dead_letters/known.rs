//! Whether a filter that found nothing names something that is not there: a typing error rather than an
//! empty result.

use super::Context;
use crate::names::unknown;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::page::RowPage;
use crate::webhook::EventType;

/// Groups among which a near name is looked for.
const GROUPS_MAX: u64 = 1000;

/// An error for the first group, reason, event type or number that no dead letter has, in any state.
pub(super) async fn ensure_known(
    context: &Context<'_>,
    filter: &DeadLetterFilter,
) -> anyhow::Result<()> {
    for group in &filter.groups {
        let only = DeadLetterFilter { groups: vec![group.clone()], ..DeadLetterFilter::default() };
        ensure_some(context, &only, "group", group).await?;
    }
    for reason in &filter.reasons {
        let only =
            DeadLetterFilter { reasons: vec![reason.clone()], ..DeadLetterFilter::default() };
        ensure_some(context, &only, "reason", reason).await?;
    }
    let is_strange = |event: &&String| EventType::parse(event) == EventType::Other;
    for event in filter.events.iter().filter(is_strange) {
        let only = DeadLetterFilter { events: vec![event.clone()], ..DeadLetterFilter::default() };
        ensure_some(context, &only, "event", event).await?;
    }
    for id in &filter.ids {
        let only = DeadLetterFilter { ids: vec![*id], ..DeadLetterFilter::default() };
        anyhow::ensure!(is_there(context, &only).await?, "there is no dead letter {id}");
    }
    Ok(())
}

async fn is_there(context: &Context<'_>, only: &DeadLetterFilter) -> anyhow::Result<bool> {
    Ok(!context.store.dead_letters(only, RowPage::first(1)).await?.is_empty())
}

async fn ensure_some(
    context: &Context<'_>,
    only: &DeadLetterFilter,
    what: &str,
    name: &str,
) -> anyhow::Result<()> {
    if is_there(context, only).await? {
        return Ok(());
    }
    let all = DeadLetterFilter::default();
    let groups = context.store.dead_letter_groups(&all, GROUPS_MAX).await?;
    let known: Vec<String> = match what {
        "group" => groups.into_iter().map(|group| group.group).collect(),
        "reason" => groups.into_iter().map(|group| group.reason).collect(),
        _ => {
            let told = groups.into_iter().flat_map(|group| group.event_types);
            told.chain(EventType::names().map(str::to_owned)).collect()
        }
    };
    anyhow::bail!(unknown(what, name, known))
}

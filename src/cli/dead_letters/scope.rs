//! What a bulk action would touch: said, then asked for.

use anyhow::ensure;
use clap::Args;

use super::Context;
use super::known::ensure_known;
use crate::cli::output::{errln, json_line, outln, plain};
use crate::cli::{confirm, progress_bar, time};
use crate::operations::{Preview, Prospect, forecast};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, FilterExtent};
use crate::store::operations::page::RowPage;

/// Sessions that are named one by one.
const SESSIONS_NAMED: usize = 10;

/// Which, and how carefully.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Scope {
    #[command(flatten)]
    which: DeadLetterFilter,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// Say what would be touched and how many would succeed if processed now; change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// What was agreed to.
pub(super) struct Agreed {
    pub(super) filter: DeadLetterFilter,
    pub(super) extent: FilterExtent,
    pub(super) json: bool,
}

impl Scope {
    /// The number, if one alone says which.
    pub(super) fn single_id(&self) -> Option<i64> {
        let [id] = self.which.ids[..] else { return None };
        let only = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
        (self.which == only && !self.all).then_some(id)
    }

    /// Says what would be touched. Some if it is to be done.
    pub(super) async fn ask(
        self,
        context: &Context<'_>,
        verb: &str,
        states: &[DeadLetterState],
    ) -> anyhow::Result<Option<Agreed>> {
        let filter = self.which.or_states(states);
        ensure!(
            filter.is_named() || self.all,
            "say which: --group, --reason, --source, --session, --event, --chat, --since, --until, \
             --id, or --all"
        );
        ensure!(
            filter.states.iter().all(|state| states.contains(state)),
            "only dead letters in state {} can be {verb}",
            states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" or ")
        );
        if self.dry_run {
            dry_run(context, &filter, verb, self.json).await?;
            return Ok(None);
        }
        let extent = context.store.dead_letter_extent(&filter).await?;
        if extent.count == 0 {
            ensure_known(context, &filter).await?;
            ensure_no_other_state(context, &filter, verb).await?;
        }
        errln!("{}{}", place(context), told(&extent, verb).trim_end());
        if extent.count > 0 && !confirm("Go on?", self.yes)? {
            return Ok(None);
        }
        Ok(Some(Agreed { filter, extent, json: self.json }))
    }
}

/// Says of letters that are named by their numbers in which states they are, if not in those.
async fn ensure_no_other_state(
    context: &Context<'_>,
    filter: &DeadLetterFilter,
    verb: &str,
) -> anyhow::Result<()> {
    let named = DeadLetterFilter { ids: filter.ids.clone(), ..DeadLetterFilter::default() };
    let Some(first) = filter.ids.first() else { return Ok(()) };
    let letters = context.store.dead_letters(&named, RowPage::first(1)).await?;
    let Some(letter) = letters.first() else { return Ok(()) };
    let allowed = filter.states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" or ");
    ensure!(
        filter.states.contains(&letter.state),
        "dead letter {first} is {}: only those that are {allowed} can be {verb}",
        letter.state.name()
    );
    Ok(())
}

async fn dry_run(
    context: &Context<'_>,
    filter: &DeadLetterFilter,
    verb: &str,
    json: bool,
) -> anyhow::Result<()> {
    let count = context.store.dead_letter_extent(filter).await?.count;
    if count == 0 {
        ensure_known(context, filter).await?;
    }
    let bar = progress_bar(count);
    let rules = &context.config.rules;
    let forecast = forecast(&context.store, rules, filter, |more| bar.inc(more)).await?;
    bar.finish_and_clear();
    if json {
        json_line(&serde_json::to_string(&forecast)?);
        return Ok(());
    }
    let Preview { extent, would_end } = forecast;
    let text = format!("{}{}{}", place(context), told(&extent, verb), prospect(&would_end));
    outln!("{}", text.trim_end());
    Ok(())
}

/// Where they are.
fn place(context: &Context<'_>) -> String {
    format!("{}, table dead_letters:\n", plain(&context.store.places().join("; ")))
}

/// How many, of what age, from where.
fn told(extent: &FilterExtent, verb: &str) -> String {
    let mut text = format!("{} dead letters would be {verb}\n", extent.count);
    if let (Some(oldest), Some(newest)) = (extent.oldest_at, extent.newest_at) {
        let (oldest, newest) = (time::short(oldest), time::short(newest));
        text.push_str(&format!("  received   {oldest} to {newest}\n"));
    }
    for one in extent.sessions.iter().take(SESSIONS_NAMED) {
        let name = plain(&format!("{}/{}", one.source, one.session));
        text.push_str(&format!("  {:>9}  of session {name}\n", one.count));
    }
    if extent.sessions.len() > SESSIONS_NAMED {
        let more = extent.sessions.len() - SESSIONS_NAMED;
        text.push_str(&format!("             and of {more} more sessions\n"));
    }
    text
}

/// How they would end.
pub(in crate::cli) fn prospect(prospect: &Prospect) -> String {
    let mut text = format!(
        "{} would succeed if they were processed now ({} applied, {} ignored)\n",
        prospect.succeed(),
        prospect.applied,
        prospect.ignored
    );
    for (reason, count) in &prospect.dead_lettered {
        text.push_str(&format!("{count} would be dead letters again ({reason})\n"));
    }
    text
}

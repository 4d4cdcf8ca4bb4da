//! `dead-letters groups`: how many of each cause.

use std::process::ExitCode;

use clap::Args;

use super::Context;
use super::known::ensure_known;
use crate::cli::output::{json_line, limit};
use crate::cli::table::{Table, kept, number, spare, text};
use crate::cli::time;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};

/// Sessions named in a cell.
const SESSIONS_NAMED: usize = 3;

/// Options of `dead-letters groups`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: DeadLetterFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = limit())]
    limit: u64,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context<'_>, options: &Options) -> anyhow::Result<ExitCode> {
    let filter = options.which.clone().or_states(&[DeadLetterState::Pending]);
    let groups = context.store.dead_letter_groups(&filter, options.limit).await?;
    if groups.is_empty() {
        ensure_known(context, &filter).await?;
    }
    if options.json {
        for group in &groups {
            json_line(&serde_json::to_string(group)?);
        }
    } else {
        print_table(&groups);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(groups: &[DeadLetterGroup]) {
    let mut table = Table::new(&[
        kept("group"),
        number("count"),
        spare("first"),
        kept("last"),
        kept("reason"),
        text("event types"),
        spare("sessions"),
        text("error"),
    ]);
    for group in groups {
        table.row([
            group.group.clone(),
            group.count.to_string(),
            time::short(group.first_failed_at),
            time::short(group.last_failed_at),
            group.reason.clone(),
            group.event_types.join(", "),
            sessions(group),
            group.error.clone(),
        ]);
    }
    table.print_or_none("groups of dead letters");
}

fn sessions(group: &DeadLetterGroup) -> String {
    let named = group.sessions.iter().take(SESSIONS_NAMED);
    let mut text = named.map(|one| one.session.as_str()).collect::<Vec<_>>().join(", ");
    let more = group.session_count.saturating_sub(SESSIONS_NAMED as u64);
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
